"""So many requests a minute from one address."""

import time
from collections.abc import Callable

MAX_ADDRESSES = 10_000


class AddressLimit:
    """A token bucket for each address; a minute's worth may come at once."""

    def __init__(self, per_minute: int, *, now: Callable[[], float] = time.monotonic):
        """Initialize with every bucket full.

        Args:
            per_minute: Requests a minute.
            now: A clock in seconds.
        """
        self._per_minute, self._now = per_minute, now
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, address: str) -> float:
        """Let one request pass; the seconds to wait if it may not, else 0."""
        now = self._now()
        left, seen = self._buckets.pop(address, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - seen) * self._per_minute / 60)
        allowed = left >= 1
        self._buckets[address] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MAX_ADDRESSES:  # the one that has been quiet for longest
            del self._buckets[next(iter(self._buckets))]
        return 0.0 if allowed else (1 - left) * 60 / self._per_minute
