"""Brings RTP packets back into order, and says which are lost. Pure: the time is an argument."""

from typing import Generic, TypeVar

from local.sip.rtp_packet import sequence_distance

T = TypeVar("T")
MAX_AHEAD, MAX_BEHIND = 3000, 100


class ReorderWindow(Generic[T]):
    """Passes packets in order at once; behind a gap it holds what follows for a short time.

    A released slot is ``(item, 0)``, or ``(None, n)`` where ``n`` packets are lost. A jump beyond
    100 back or 3000 ahead is a restart once two packets in a row confirm it (RFC 3550 A.1).
    """

    def __init__(self, hold_secs: float = 0.06):
        """Initialize the window.

        Args:
            hold_secs: How long a missing packet is waited for.
        """
        self.late = 0
        self._hold_secs = hold_secs
        self._next: int | None = None
        self._held: dict[int, T] = {}
        self._gap_since: float | None = None
        self._suspect: int | None = None

    @property
    def due(self) -> float | None:
        """When the gap is given up; None without one."""
        return None if self._gap_since is None else self._gap_since + self._hold_secs

    def push(self, sequence: int, item: T, now: float) -> list[tuple[T | None, int]]:
        """Take a packet; gives what may go on now, in order."""
        if self._next is None:
            self._next = sequence
        if sequence == self._next and not self._held:
            self._next, self._suspect = (sequence + 1) & 0xFFFF, None
            return [(item, 0)]
        ahead = sequence_distance(sequence, self._next)
        if ahead > MAX_AHEAD or ahead < -MAX_BEHIND:
            if sequence != self._suspect:
                self._suspect = (sequence + 1) & 0xFFFF
                return []
            self.restart()
            self._next, ahead = sequence, 0
        self._suspect = None
        if ahead < 0 or sequence in self._held:
            self.late += 1
            return self.tick(now)
        self._held[sequence] = item
        released = self._release()
        if self._held and self._gap_since is None:
            self._gap_since = now
        return released + self.tick(now)

    def tick(self, now: float) -> list[tuple[T | None, int]]:
        """Give up the gap once its time is over."""
        released: list[tuple[T | None, int]] = []
        while self._next is not None and self._held and self.due is not None and now >= self.due:
            start = self._next
            self._next = min(self._held, key=lambda s: sequence_distance(s, start))
            released.append((None, sequence_distance(self._next, start)))
            self._gap_since = None
            released += self._release()
            if self._held:
                self._gap_since = now
        return released

    def restart(self) -> None:
        """Forget the sequence: a new source begins."""
        self._next, self._gap_since, self._suspect = None, None, None
        self._held.clear()

    def _release(self) -> list[tuple[T | None, int]]:
        released: list[tuple[T | None, int]] = []
        while self._next is not None and self._next in self._held:
            released.append((self._held.pop(self._next), 0))
            self._next = (self._next + 1) & 0xFFFF
            self._gap_since = None
        return released
