"""Counters of one call's audio."""

from dataclasses import dataclass


@dataclass
class RtpStats:
    """Counted in packets of the session.

    Parameters:
        sent: Packets sent, events included.
        received: Valid packets of the call, events included.
        lost: Given up by the reorder window.
        late: Came after they were given up, or twice.
        foreign: Dropped: another version, payload type or source.
        rtcp: RTCP packets on the same port, read past.
        jitter_ms: Interarrival jitter (RFC 3550 §6.4.1).
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    late: int = 0
    foreign: int = 0
    rtcp: int = 0
    jitter_ms: float = 0.0


class JitterMeter:
    """J += (|D| - J) / 16 over transit times."""

    def __init__(self):
        self._transit: float | None = None
        self.jitter_ms = 0.0

    def packet(self, arrival: float, timestamp: int) -> None:
        """Take an arrival in seconds and a timestamp in 8 kHz samples."""
        transit = (arrival * 8000 - timestamp) % 2**32
        if self._transit is not None:
            change = abs((transit - self._transit + 2**31) % 2**32 - 2**31) / 8
            self.jitter_ms += (change - self.jitter_ms) / 16
        self._transit = transit

    def restart(self) -> None:
        """A new source begins."""
        self._transit = None
