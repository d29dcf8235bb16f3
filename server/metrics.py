"""What Prometheus reads."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from records.call_record import CallRecord
from records.event import Event
from records.events import ErrorRaised, TurnMeasured

LATENCY_BUCKETS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The server's counters, in a registry of their own."""

    def __init__(self):
        """Initialize all at zero."""
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "switchboard_calls", "Calls that ended.", ["outcome"], registry=self.registry
        )
        self._errors = Counter(
            "switchboard_call_errors", "Errors inside calls.", registry=self.registry
        )
        self._heard = Histogram(
            "switchboard_turn_heard_seconds",
            "Caller silent to bot audible, on the recording.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._traced = Histogram(
            "switchboard_turn_traced_seconds",
            "Caller silent to audio handed to the room, traced in the pipeline.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._respawns = Counter(
            "switchboard_call_processes_replaced",
            "Call processes that died and whose call another took over.",
            registry=self.registry,
        )
        self._webhooks = Counter(
            "switchboard_webhooks", "LiveKit webhooks.", ["result"], registry=self.registry
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Adds a value that is read when it is asked for."""
        Gauge(f"switchboard_{name}", text, registry=self.registry).set_function(read)

    def gauges(
        self, name: str, text: str, label: str, reads: Mapping[str, Callable[[], float]]
    ) -> None:
        """Adds a value for each of several things, told apart by a label."""
        gauge = Gauge(f"switchboard_{name}", text, [label], registry=self.registry)
        for value, read in reads.items():
            gauge.labels(value).set_function(read)

    def event(self, event: Event) -> None:
        """Counts what happened inside a call."""
        match event:
            case TurnMeasured():
                self._traced.observe(event.latency.total)
            case ErrorRaised():
                self._errors.inc()

    def call_ended(self, record: CallRecord) -> None:
        """Counts a call that is over."""
        self._calls.labels(record.outcome or "worker_lost").inc()
        for turn in record.turns:
            if turn.heard_secs is not None:
                self._heard.observe(turn.heard_secs)

    def process_replaced(self) -> None:
        """Counts a call that went on in a second process."""
        self._respawns.inc()

    def webhook(self, result: str) -> None:
        """Counts a webhook: ``taken``, ``repeated`` or ``refused``."""
        self._webhooks.labels(result).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
