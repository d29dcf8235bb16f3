"""Barge-in in two steps: fall silent at the first voiced windows, decide afterwards."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy

from processors.keypad_frames import KeyEntryFrame
from transports.pausable_source import PausableSource

BACKCHANNELS = frozenset(
    {"uh", "huh", "mhm", "mm", "mmm", "hm", "yeah", "yep", "ok", "okay", "right"}
)
# An interruption empties the line at once; one that was refused (a muted caller) must not leave it
# held for ever.
REFUSED_SECS = 1.0


class TwoStepStartStrategy(BaseUserTurnStartStrategy):
    """Starts the caller's turn over a talking bot only when it is worth it.

    The line is held at the first sound, so deciding takes no time from a caller who interrupts:

    - a word that is no backchannel: interrupt
    - voiced for ``sustain_secs``: interrupt, even without a transcript yet
    - an onset the VAD never confirms: resume after ``blip_secs``
    - speech that ended as "uh huh", or without words ``word_secs`` after the VAD's stop: resume

    Over a silent bot the turn starts with the VAD, but with words only while a number is keyed in:
    a cough or a key's tone must not end the entry. It is meant to be the only start strategy, with
    its ``on_onset`` given to an ``OnsetVAD``.

    Events:

    - on_line_held(strategy): playback stopped, nothing is decided
    - on_line_resumed(strategy): it was no turn, playback goes on at the same word
    """

    def __init__(
        self,
        *,
        source: Callable[[], PausableSource | None],
        backchannels: frozenset[str] = BACKCHANNELS,
        blip_secs: float = 0.3,
        sustain_secs: float = 0.7,
        word_secs: float = 0.4,
        rewind_secs: float = 0.1,
        **kwargs,
    ):
        """Initialize the strategy.

        Args:
            source: Gives the bot's audio source once its track is published.
            backchannels: Words, in lower case, that ask the bot to go on.
            blip_secs: How long an unconfirmed onset holds the line.
            sustain_secs: Speech of this length interrupts without words.
            word_secs: How long after the VAD's stop words are waited for.
            rewind_secs: How much of what was just heard is said again on resume.
            **kwargs: Arguments of ``BaseUserTurnStartStrategy``.
        """
        super().__init__(**kwargs)
        self._source = source
        self._backchannels = backchannels
        self._blip_secs, self._sustain_secs = blip_secs, sustain_secs
        self._word_secs, self._rewind_secs = word_secs, rewind_secs
        self._bot_speaking = False
        self._keying = False
        self._timer: asyncio.Task | None = None
        self._register_event_handler("on_line_held")
        self._register_event_handler("on_line_resumed")

    def on_onset(self) -> None:
        """Hook for ``OnsetVAD.on_onset``: hold the line, if the bot talks."""
        source = self._source()
        if self._bot_speaking and source and not source.held:
            source.hold(self._rewind_secs)
            self._after(self._blip_secs, self._resume)
            self.create_task(self._call_event_handler("on_line_held"), "line_held")

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Decide by VAD and transcripts."""
        match frame:
            case BotStartedSpeakingFrame():
                self._bot_speaking = True
            case BotStoppedSpeakingFrame():
                self._bot_speaking = False
            case KeyEntryFrame():
                self._keying = frame.active
            case VADUserStartedSpeakingFrame() if not self._keying:
                if not self._talked_over:
                    return await self._interrupt()
                self.on_onset()
                self._after(self._sustain_secs, self._interrupt)
            case VADUserStoppedSpeakingFrame():
                if self._held:
                    self._after(self._word_secs, self._resume)
            case TranscriptionFrame() | InterimTranscriptionFrame():
                return await self._weigh(frame)
        return ProcessFrameResult.CONTINUE

    async def cleanup(self) -> None:
        """Stop the timer with the pipeline."""
        await super().cleanup()
        self._stop_timer()

    @property
    def _held(self) -> bool:
        source = self._source()
        return bool(source and source.held)

    @property
    def _talked_over(self) -> bool:
        return self._bot_speaking or self._held

    async def _weigh(
        self, frame: TranscriptionFrame | InterimTranscriptionFrame
    ) -> ProcessFrameResult:
        words = set(re.findall(r"\w+", frame.text.lower()))
        if words - self._backchannels or (words and not self._talked_over):
            return await self._interrupt()
        if words and self._held and isinstance(frame, TranscriptionFrame):
            await self._resume()
            await self.trigger_reset_aggregation()  # an "uh huh" over the bot is no turn
        return ProcessFrameResult.CONTINUE

    async def _interrupt(self) -> ProcessFrameResult:
        self._stop_timer()
        if self._held:
            self._after(REFUSED_SECS, self._resume)
        await self.trigger_user_turn_started()
        return ProcessFrameResult.STOP

    async def _resume(self) -> None:
        self._stop_timer()
        source = self._source()
        if source and source.held:
            await source.resume()
            await self._call_event_handler("on_line_resumed")

    def _after(self, secs: float, action: Callable[[], Awaitable]) -> None:
        self._stop_timer()
        self._timer = self.create_task(self._act_later(secs, action))

    async def _act_later(self, secs: float, action: Callable[[], Awaitable]) -> None:
        await asyncio.sleep(secs)
        self._timer = None  # the action under way is no timer any more
        await action()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer:
            timer.cancel()
