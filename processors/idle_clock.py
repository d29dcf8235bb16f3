"""Counts how long nothing has happened on a call. Pure: what happens and when in, a time out."""


class IdleClock:
    """Runs only while nobody speaks, nothing is being thought and nobody waits on purpose.

    Everything that keeps a call from being idle has a name; it begins and ends, each in its own
    time, and the clock starts anew when the last of them ends.
    """

    def __init__(self, after_secs: float, at: float = 0.0):
        """Initialize, running.

        Args:
            after_secs: Silence of this length is idleness.
            at: The time, seconds on the clock of all later calls.
        """
        self._after_secs = after_secs
        self._quiet_since = at
        self._going_on: set[str] = set()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing keeps the call from being idle."""
        return not self._going_on

    def begin(self, what: str) -> None:
        """Something begins; again, while it goes on, means nothing."""
        self._going_on.add(what)

    def end(self, what: str, at: float) -> None:
        """Something ends, if it went on."""
        if what in self._going_on:
            self._going_on.remove(what)
            self._quiet_since = at

    def touch(self, at: float) -> None:
        """Somebody gave a sign of life: the clock starts anew."""
        self._quiet_since = at

    def silent_secs(self, at: float) -> float:
        """How long nothing has happened."""
        return 0.0 if self._going_on else at - self._quiet_since

    def left_secs(self, at: float) -> float | None:
        """How long until the call is idle, 0 if it is; None while something goes on."""
        if self._going_on:
            return None
        return max(0.0, self._quiet_since + self._after_secs - at)
