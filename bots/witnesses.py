"""Everybody who looks on while a call runs: transcript, latency, recorder."""

from pipecat.observers.base_observer import BaseObserver
from pipecat.processors.frame_processor import FrameProcessor

from processors.latency_tracer import LatencyTracer
from processors.transcript import TranscriptObserver
from processors.two_step_start_strategy import TwoStepStartStrategy
from records.latency import TurnLatency
from records.log import EventLog
from transports.pausable_source import PlayoutTap


class Witnesses:
    """Makes the observers and taps of one call, and connects them to its log."""

    def __init__(self, log: EventLog, recording_path: str = ""):
        """Initialize; nothing is written before the pipeline runs."""
        self.tap: PlayoutTap | None = None
        self.processors: list[FrameProcessor] = []
        self._transcript = TranscriptObserver(log)
        self._tracer = LatencyTracer()
        self.observers: list[BaseObserver] = [self._tracer, self._transcript]

        @self._tracer.event_handler("on_turn_latency")
        async def on_turn_latency(_, latency: TurnLatency):
            self._transcript.turn_measured(latency)

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

    async def close(self) -> None:
        """Finish what is being written."""
