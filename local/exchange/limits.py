"""How much one client may ask of the exchange."""

import time
from collections import Counter
from collections.abc import Callable


class TokenBucket:
    """Allows ``rate`` events a second in the long run and ``burst`` at once."""

    def __init__(self, rate: float, burst: float, *, now: Callable[[], float] = time.monotonic):
        self._rate, self._burst, self._now = rate, burst, now
        self._tokens, self._filled_at = burst, now()

    def take(self) -> bool:
        """Use one event up; ``False`` if there is none left."""
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ConnectionLimit:
    """Counts what is open by source address."""

    def __init__(self, per_source: int):
        self._per_source = per_source
        self._open: Counter[str] = Counter()

    def enter(self, source: str) -> bool:
        """Count one more from ``source``; ``False`` (and not counted) if it has too many."""
        if self._open[source] >= self._per_source:
            return False
        self._open[source] += 1
        return True

    def leave(self, source: str) -> None:
        """Count one less."""
        self._open[source] -= 1
        if self._open[source] <= 0:
            del self._open[source]
