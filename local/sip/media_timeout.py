"""Notices that the far end's audio never came, or stopped. Pure: the time is an argument."""


class MediaTimeout:
    """A longer patience before the first packet, a shorter one after it."""

    def __init__(self, initial_secs: float | None, later_secs: float | None):
        """Initialize the watch; it runs from ``start``.

        Args:
            initial_secs: From the start to the first packet; None waits for ever.
            later_secs: Between packets; None waits for ever.
        """
        self._initial_secs, self._later_secs = initial_secs, later_secs
        self._started_at: float | None = None
        self._heard_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether the watch is on."""
        return self._started_at is not None

    @property
    def due(self) -> float | None:
        """When the call is lost, as things stand; None when never."""
        if self._started_at is None:
            return None
        if self._heard_at is None:
            return None if self._initial_secs is None else self._started_at + self._initial_secs
        if self._later_secs is None:
            return None
        return max(self._heard_at, self._started_at) + self._later_secs

    def start(self, now: float) -> None:
        """Watch from now: at the answer, or when a hold is over."""
        self._started_at = now

    def stop(self) -> None:
        """Do not watch: the call is over, or the far end need not send."""
        self._started_at = None

    def heard(self, now: float) -> bool:
        """A packet came; True for the first, after which the patience is another."""
        first = self._heard_at is None
        self._heard_at = now
        return first

    def expired(self, now: float) -> bool:
        """Whether the call is lost."""
        return self.due is not None and now >= self.due
