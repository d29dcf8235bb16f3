"""What both sides say, as it is said, for someone who reads along."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    TranscriptionFrame,
    TTSTextFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.stt_service import STTService
from pipecat.transports.base_output import BaseOutputTransport

Speaker = Literal["caller", "bot"]
CUT_OFF = " —"


@dataclass(frozen=True)
class Caption:
    """One line of the captions as it reads now; a later one of the same ``segment`` replaces it.

    Parameters:
        segment: Counts the lines of a call from 1.
        final: It does not change any more.
    """

    speaker: Speaker
    segment: int
    text: str
    final: bool = False


class CaptionObserver(BaseObserver):
    """Tells every word of the caller as it is recognised, and of the bot as it is played.

    The bot's words are taken where they leave the transport's output, so that a sentence which is
    cut off ends in the captions where it ended in the ear.
    """

    def __init__(self, on_caption: Callable[[Caption], None], **kwargs):
        """Initialize the observer.

        Args:
            on_caption: Called for each change of a line; must not block.
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(**kwargs)
        self._on_caption = on_caption
        self._segments = 0
        self._caller: int | None = None
        self._settled = ""
        self._bot: dict[str | None, Caption] = {}
        self._last_frame = 0

    async def on_push_frame(self, data: FramePushed) -> None:
        """Tell what this frame adds to the captions; of a broadcast, one of the two."""
        if data.direction != FrameDirection.DOWNSTREAM:
            return
        frame = data.frame
        match frame:
            case TTSTextFrame() if isinstance(data.source, BaseOutputTransport):
                self._bot_says(frame)
            case InterimTranscriptionFrame() | TranscriptionFrame() if isinstance(
                data.source, STTService
            ):
                self._caller_says(frame)
            case LLMContextUserTurnFrame() if self._is_new(frame):
                self._caller_said(frame.text)
            case BotStoppedSpeakingFrame():
                self._bot_ended()
            case InterruptionFrame():
                self._bot_ended(CUT_OFF)

    def _bot_says(self, frame: TTSTextFrame) -> None:
        # A line for each context: the words of two that follow close upon each other come mixed.
        line = self._bot.get(frame.context_id)
        if line is None or (line.final and frame.context_id is None):
            self._settle_caller()
            self._bot = {context: line for context, line in self._bot.items() if not line.final}
            line = Caption("bot", self._next(), "")
        space = "" if frame.includes_inter_frame_spaces or not line.text else " "
        line = replace(line, text=line.text + space + frame.text, final=False)
        self._bot[frame.context_id] = line
        self._on_caption(replace(line, text=line.text.strip()))

    def _bot_ended(self, mark: str = "") -> None:
        for context, line in self._bot.items():
            if not line.final:
                self._on_caption(replace(line, text=line.text.strip() + mark, final=True))
                self._bot[context] = replace(line, final=True)

    def _caller_says(self, frame: InterimTranscriptionFrame | TranscriptionFrame) -> None:
        words = frame.text.strip()
        if not words:
            return
        if self._caller is None:
            self._caller, self._settled = self._next(), ""
        text = f"{self._settled} {words}".strip()
        if isinstance(frame, TranscriptionFrame):
            self._settled = text
        self._on_caption(Caption("caller", self._caller, text))

    def _caller_said(self, text: str) -> None:
        if text.strip():
            segment = self._next() if self._caller is None else self._caller
            self._on_caption(Caption("caller", segment, text.strip(), final=True))
            self._caller = None

    def _settle_caller(self) -> None:
        """Words that became no turn, as a "mhm", stay as they were recognised."""
        if self._caller is not None and self._settled:
            self._caller_said(self._settled)

    def _is_new(self, frame: Frame) -> bool:
        is_new, self._last_frame = frame.id != self._last_frame, frame.id
        return is_new

    def _next(self) -> int:
        self._segments += 1
        return self._segments
