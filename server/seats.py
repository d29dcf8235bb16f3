"""How many calls this server takes, and which it has."""

from collections.abc import Callable


class Seats:
    """One seat a call, reserved before the offer is answered.

    LiveKit does not offer calls to a worker whose load is 0.7 or more, so that what is reported
    stays below while a seat is free.
    Source: livekit ``pkg/service/agentservice.go`` (``target_load``).
    """

    FULL_LOAD = 1.0
    HIGHEST_LOAD = 0.69

    def __init__(self, total: int):
        """Initialize ``total`` free seats."""
        if total < 1:
            raise ValueError(f"a server needs at least one seat, not {total}")
        self.total = total
        self.draining = False
        self._listeners: list[Callable[[], None]] = []
        self._rooms: dict[str, str] = {}

    @property
    def taken(self) -> int:
        """Seats reserved or in use."""
        return len(self._rooms)

    @property
    def full(self) -> bool:
        """Whether no further call is taken."""
        return self.draining or self.taken >= self.total

    @property
    def load(self) -> float:
        """What LiveKit is told, 0 to 1."""
        return self.FULL_LOAD if self.full else self.HIGHEST_LOAD * self.taken / self.total

    def has_room(self, room: str) -> bool:
        """Whether a seat is taken for this room."""
        return room in self._rooms.values()

    def reserve(self, job_id: str, room: str) -> str | None:
        """Takes a seat; the reason when there is none for this job."""
        if self.draining:
            return "draining"
        if self.has_room(room):
            return "the room has a call already"
        if self.taken >= self.total:
            return f"all {self.total} seats are taken"
        self._rooms[job_id] = room
        self._changed()
        return None

    def release(self, job_id: str) -> None:
        """Frees the job's seat; once is enough."""
        if self._rooms.pop(job_id, None) is not None:
            self._changed()

    def drain(self) -> None:
        """Takes no further call."""
        self.draining = True
        self._changed()

    def listen(self, on_changed: Callable[[], None]) -> None:
        """Has a worker told of every change."""
        self._listeners.append(on_changed)

    def _changed(self) -> None:
        for on_changed in self._listeners:
            on_changed()
