"""Timer values and what a state machine hands to whoever drives it."""

from dataclasses import dataclass

from local.sip.message import Request, Response


@dataclass(frozen=True)
class Timers:
    """Base values in seconds (RFC 3261 §17.1.1.1); all others derive from them."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def give_up(self) -> float:
        """64·T1: timers B, D, F, H, J and L."""
        return 64 * self.t1


@dataclass(frozen=True)
class Send:
    """Put this message on the wire."""

    message: Request | Response


@dataclass(frozen=True)
class Deliver:
    """Hand this message to the transaction user."""

    message: Request | Response


@dataclass(frozen=True)
class Expired:
    """The far end did not answer (or acknowledge) in time."""


Output = Send | Deliver | Expired


class Resend:
    """When to send again: after T1, then doubling up to a cap, until the limit."""

    def __init__(self, now: float, first: float, cap: float, limit: float):
        """Initialize the schedule.

        Args:
            now: Monotonic time of the first sending.
            first: Seconds to the first repetition.
            cap: Longest interval in seconds.
            limit: Seconds after which it is given up.
        """
        self._interval, self._cap = first, cap
        self._next, self._end = now + first, now + limit

    @property
    def due(self) -> float:
        """When to ask again."""
        return min(self._next, self._end)

    def expired(self, now: float) -> bool:
        """Whether the limit is reached."""
        return now >= self._end

    def take(self, now: float) -> bool:
        """Whether to send now; moves on to the next interval if so."""
        if now < self._next:
            return False
        self._interval = min(self._interval * 2, self._cap)
        self._next = now + self._interval
        return True

    def slow_down(self, now: float) -> None:
        """Repeat only at the cap from now on (timer E after a 1xx)."""
        self._interval = self._cap
        self._next = now + self._cap
