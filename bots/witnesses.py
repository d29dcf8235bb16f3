"""Everybody who looks on while a call runs: transcript, latency, recorder."""

from pipecat.observers.base_observer import BaseObserver
from pipecat.processors.frame_processor import FrameProcessor

from processors.latency_tracer import LatencyTracer
from processors.recorder import RecorderProcessor
from processors.transcript import TranscriptObserver
from processors.two_step_start_strategy import TwoStepStartStrategy
from records.events import RecordingStarted
from records.latency import TurnLatency
from records.log import EventLog
from transports.pausable_source import PlayoutTap


class Witnesses:
    """Makes the observers and taps of one call, and connects them to its log."""

    def __init__(self, log: EventLog, recording_path: str = ""):
        """Initialize; without a path nothing is recorded."""
        self._recorder = RecorderProcessor(recording_path) if recording_path else None
        self._log = log
        self._transcript = TranscriptObserver(log)
        self._tracer = LatencyTracer()
        self.observers: list[BaseObserver] = [self._tracer, self._transcript]

        @self._tracer.event_handler("on_turn_latency")
        async def on_turn_latency(_, latency: TurnLatency):
            self._transcript.turn_measured(latency)

    @property
    def tap(self) -> PlayoutTap | None:
        """Is told what the line plays."""
        return self._recorder

    @property
    def processors(self) -> list[FrameProcessor]:
        """What sits behind the transport's input while the call is recorded."""
        return [self._recorder] if self._recorder else []

    def start_recording(self) -> None:
        """Begin the recording, in a pipeline that has started and holds the recorder."""
        if self._recorder:
            self._recorder.start()
            self._log.add(RecordingStarted)

    def watch(self, start: TwoStepStartStrategy | None) -> None:
        """Note holds and resumes of the line."""
        if start is None:
            return

        @start.event_handler("on_line_held")
        async def on_line_held(_):
            self._transcript.line_held()

        @start.event_handler("on_line_resumed")
        async def on_line_resumed(_):
            self._transcript.line_resumed()
