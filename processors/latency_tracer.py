"""Times every stage between the caller's last sound and the bot's first."""

from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    FunctionCallInProgressFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import TTFAMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed

from records.latency import TurnLatency

# In order; the stage between two marks bears the name of a field of TurnLatency.
MARKS = (
    "audio_in",
    "vad_stop",
    "transcript",
    "turn_end",
    "llm_first_token",
    "answer_token",
    "first_sentence",
    "tts_first_byte",
    "audio_out",
)
STAGES = (
    "endpointing",
    "transcription",
    "turn_decision",
    "llm",
    "tools",
    "sentence",
    "synthesis",
    "output",
)


class LatencyTracer(BaseObserver):
    """Reports each answered turn by the event ``on_turn_latency(observer, TurnLatency)``.

    An observer, not a processor: ``FramePushed.timestamp`` is taken at the push itself, so the
    marks are exact although observers run later, and no frame is delayed. A greeting gives nothing,
    neither does a turn whose answer was interrupted before it was heard. The leading silence needs
    ``enable_metrics``.
    """

    def __init__(self, **kwargs):
        """Initialize the tracer; it looks at the first push of a frame only."""
        super().__init__(observe_every_push=False, **kwargs)
        self._marks: dict[str, float] = {}
        self._caller_speaking = False
        self._leading_silence = 0.0
        self._register_event_handler("on_turn_latency")

    async def on_push_frame(self, data: FramePushed) -> None:
        """Take the mark that this frame stands for."""
        frame, at = data.frame, data.timestamp / 1e9
        match frame:
            case TTSAudioRawFrame():
                self._mark("tts_first_byte", at)
            case LLMTextFrame():
                self._mark("llm_first_token", at)
                self._mark("answer_token", at)
            case FunctionCallsStartedFrame() | FunctionCallInProgressFrame():
                self._take_tool_call(at)
            case AggregatedTextFrame():
                self._mark("first_sentence", at)
            # The VAD's frames come twice, first upstream: the second may be late by a whole
            # question to the turn model.
            case VADUserStartedSpeakingFrame() if not self._caller_speaking:
                self._caller_speaking = True
                self._marks = {}
            case InterruptionFrame() if "turn_end" in self._marks:
                self._marks = {}  # the answer under way will not be heard
            case VADUserStoppedSpeakingFrame() if self._caller_speaking:
                self._caller_speaking = False
                self._marks = {"audio_in": at - frame.stop_secs, "vad_stop": at}
            case TranscriptionFrame() if "turn_end" not in self._marks:
                self._marks["transcript"] = at  # the last one counts
            case UserStoppedSpeakingFrame():
                self._mark("turn_end", at)
            case MetricsFrame():
                self._take_leading_silence(frame)
            case BotStartedSpeakingFrame():
                await self._finish(at)

    def _mark(self, name: str, at: float) -> None:
        if name == "turn_end" or "turn_end" in self._marks:
            self._marks.setdefault(name, at)

    def _take_tool_call(self, at: float) -> None:
        self._mark("llm_first_token", at)
        # Words before the call are the answer only if they were handed on to be spoken.
        if "first_sentence" not in self._marks:
            self._marks.pop("answer_token", None)

    def _take_leading_silence(self, frame: MetricsFrame) -> None:
        for metric in frame.data:
            if isinstance(metric, TTFAMetricsData):
                self._leading_silence = metric.leading_silence or 0.0

    async def _finish(self, at: float) -> None:
        marks, self._marks = self._marks, {}
        silence, self._leading_silence = self._leading_silence, 0.0
        if "audio_in" not in marks or "turn_end" not in marks:
            return  # a greeting, or speech the VAD never saw
        marks["audio_out"] = at
        times = [marks["audio_in"]]
        for name in MARKS[1:]:
            # A stage that did not happen, or ended before the one ahead of it, took no time.
            times.append(max(times[-1], min(marks.get(name, times[-1]), at)))
        stages = (after - before for before, after in zip(times, times[1:], strict=False))
        latency = TurnLatency(
            **dict(zip(STAGES, stages, strict=True)), leading_silence=max(silence, 0.0)
        )
        await self._call_event_handler("on_turn_latency", latency)
