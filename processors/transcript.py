"""What was said and done on the call, written down as events."""

import time

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMContextUserTurnFrame,
    TranscriptionFrame,
    TTSStartedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frame_processor import FrameDirection

from processors.keypad_frames import KeysEnteredFrame
from records.events import (
    BotInterrupted,
    BotSpoke,
    BotStartedSpeaking,
    BotStoppedSpeaking,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    ErrorRaised,
    KeysEntered,
    LineHeld,
    LineResumed,
    ToolCalled,
    ToolReturned,
    Transcribed,
    TurnEnded,
    TurnMeasured,
)
from records.latency import TurnLatency
from records.log import EventLog


class TranscriptObserver(BaseObserver):
    """Turns what the pipeline does into the events of the call's record.

    The words of a turn are those that the aggregators write to the context: the caller's as the bot
    understood them, the bot's as far as they were played. What no frame tells (holds, measured
    turns) comes by the methods; the session connects them.
    """

    def __init__(self, log: EventLog, **kwargs):
        """Initialize the observer; it looks at the first push of a frame only.

        Args:
            log: Takes every event.
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self._log = log
        self._turn = 0
        self._caller_speaking = False
        self._bot_speaking = False
        self._interrupted = False
        self._has_more_to_say = False
        self._tools: dict[str, float] = {}

    @property
    def turn(self) -> int:
        """The number of the caller's last turn, from 1; 0 before the first."""
        return self._turn

    def turn_measured(self, latency: TurnLatency) -> None:
        """Note where the time of the last turn's answer went."""
        self._log.add(TurnMeasured, turn=self._turn, latency=latency)

    def line_held(self) -> None:
        """Note that playback stopped at a sound."""
        self._log.add(LineHeld)

    def line_resumed(self) -> None:
        """Note that the sound was no turn."""
        self._log.add(LineResumed)

    async def on_push_frame(self, data: FramePushed) -> None:
        """Write the event that this frame stands for."""
        frame = data.frame
        # A broadcast frame is two, one each way.
        if frame.broadcast_sibling_id is not None and data.direction != FrameDirection.DOWNSTREAM:
            return
        self._note_speech(frame)
        self._note_turns(frame)
        self._note_tools(frame)
        match frame:
            case KeysEnteredFrame():
                self._log.add(KeysEntered, keys=frame.keys, count=frame.count, secret=frame.secret)
            case ErrorFrame():
                source = (frame.processor or data.source).name
                self._log.add(ErrorRaised, source=source, message=frame.error)

    def _note_speech(self, frame: Frame) -> None:
        match frame:
            # The VAD's frames come twice, once each way, without saying that they are siblings.
            case VADUserStartedSpeakingFrame() if not self._caller_speaking:
                self._caller_speaking = True
                self._log.add(CallerStartedSpeaking)
            case VADUserStoppedSpeakingFrame() if self._caller_speaking:
                self._caller_speaking = False
                self._log.add(CallerStoppedSpeaking)
            case InterimTranscriptionFrame() | TranscriptionFrame() if frame.text.strip():
                final = isinstance(frame, TranscriptionFrame)
                self._log.add(Transcribed, text=frame.text, final=final)
            case TTSStartedFrame():
                self._has_more_to_say = True
            case BotStartedSpeakingFrame():
                self._bot_speaking = True
                if self._has_more_to_say:  # else it is what an interruption has yet to reach
                    self._interrupted = False
                self._log.add(BotStartedSpeaking)
            case BotStoppedSpeakingFrame():
                self._bot_speaking = False
                self._log.add(BotStoppedSpeaking)

    def _note_turns(self, frame: Frame) -> None:
        match frame:
            case InterruptionFrame():
                self._interrupted, self._has_more_to_say = True, False
                if self._bot_speaking:
                    self._log.add(BotInterrupted)
            case CancelFrame():
                self._interrupted = True
            case LLMContextUserTurnFrame():
                self._turn += 1
                self._log.add(TurnEnded, turn=self._turn, text=frame.text)
            case LLMContextAssistantTurnFrame() if frame.text.strip():
                self._log.add(
                    BotSpoke, turn=self._turn, text=frame.text, interrupted=self._interrupted
                )

    def _note_tools(self, frame: Frame) -> None:
        match frame:
            case FunctionCallInProgressFrame():
                self._tools[frame.tool_call_id] = time.monotonic()
                self._log.add(
                    ToolCalled,
                    tool_call_id=frame.tool_call_id,
                    name=frame.function_name,
                    arguments=dict(frame.arguments or {}),
                )
            case FunctionCallResultFrame():
                if frame.properties is None or frame.properties.is_final:
                    self._tool_returned(frame, frame.error)
            case FunctionCallCancelFrame():
                self._tool_returned(frame, "cancelled")

    def _tool_returned(
        self, frame: FunctionCallResultFrame | FunctionCallCancelFrame, error: str | None
    ) -> None:
        # A call that was cancelled may still return.
        began = self._tools.pop(frame.tool_call_id, None)
        if began is not None:
            self._log.add(
                ToolReturned,
                tool_call_id=frame.tool_call_id,
                name=frame.function_name,
                secs=round(time.monotonic() - began, 4),
                error=error,
            )
