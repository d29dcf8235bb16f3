"""The calls that are running now."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from loguru import logger

from bots.job import CallJob
from server.agent_worker import Assignment
from server.call_supervisor import CallLimits, CallSupervisor, Surroundings
from server.livekit_access import LiveKitAccess, Rooms
from server.placement import Placement, new_call_id, no_seat, open_room
from server.seats import Seats
from server.unfinished import RunningMarks


class Calls:
    """Starts a supervisor for every assignment and knows them until their records are saved."""

    def __init__(
        self,
        around: Surroundings,
        seats: Seats,
        marks: RunningMarks,
        *,
        limits: CallLimits,
        on_finished: Callable[[str, str], None],
        rooms_of: Callable[[LiveKitAccess], Rooms],
    ):
        """Initialize without calls.

        Args:
            around: What all calls share.
            seats: Released when a call's line is free.
            marks: Says on disk which calls run, for a server that comes after this one.
            limits: Times after which patience ends.
            on_finished: Told of each job's end: its id, and an error or "".
            rooms_of: The rooms of the LiveKit that a call lives in.
        """
        self._around, self._seats, self._marks = around, seats, marks
        self._limits, self._on_finished, self._rooms_of = limits, on_finished, rooms_of
        self._running: dict[str, CallSupervisor] = {}
        self._by_job: dict[str, CallSupervisor] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> list[CallSupervisor]:
        """All calls whose record is not saved yet, the oldest first."""
        return list(self._running.values())

    def get(self, call_id: str) -> CallSupervisor | None:
        """A running call."""
        return self._running.get(call_id)

    def start(self, assignment: Assignment) -> CallSupervisor:
        """Begins a call that LiveKit gave us, at once; its seat was reserved before."""
        call_id = new_call_id()
        job = CallJob(
            call_id=call_id,
            room=assignment.room,
            url=assignment.url,
            token=assignment.token,
            identity=assignment.identity,
            metadata=assignment.metadata,
            recording_path=str(self._marks.recordings(call_id)[0]),
            api_key=assignment.access.api_key,
            api_secret=assignment.access.api_secret.get_secret_value(),
        )

        def finished(error: str) -> None:
            self._by_job.pop(assignment.job_id, None)
            self._on_finished(assignment.job_id, error)

        call = self._begin(job, assignment.access, assignment.job_id, finished)
        self._by_job[assignment.job_id] = call
        return call

    async def place(self, placement: Placement, access: LiveKitAccess) -> CallSupervisor:
        """Begins a call of our own: takes a seat, makes the room, starts the bot.

        Args:
            placement: The call.
            access: The LiveKit that carries it.

        Raises:
            PlacementError: ``server_full``, ``server_stopping``, ``livekit_unreachable`` or
                ``livekit_refused``.
        """
        call_id, room = placement.call_id, placement.room
        if self._seats.reserve(call_id, room):
            raise no_seat(self._seats)
        try:
            token = await open_room(placement, access)
        except BaseException:
            self._seats.release(call_id)
            raise
        job = placement.job(access, token, str(self._marks.recordings(call_id)[0]))
        return self._begin(job, access, call_id, lambda _: None)

    def terminated(self, job_id: str) -> None:
        """LiveKit ended the job: the bot left, or its room closed."""
        if call := self._by_job.get(job_id):
            call.hang_up(politely=True)

    def hang_up_all(self, *, politely: bool) -> None:
        """Ends every call."""
        for call in self.running:
            call.hang_up(politely=politely)

    async def wait_idle(self) -> None:
        """Returns when the last record is saved."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(
        self, job: CallJob, access: LiveKitAccess, seat: str, finished: Callable[[str], None]
    ) -> CallSupervisor:
        def line_free() -> None:
            self._seats.release(seat)

        around = replace(self._around, rooms=self._rooms_of(access))
        call = CallSupervisor(job, around, self._limits, on_line_free=line_free)
        self._running[job.call_id] = call
        task = asyncio.create_task(self._run(call, access, seat, finished))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def _run(
        self,
        call: CallSupervisor,
        access: LiveKitAccess,
        seat: str,
        finished: Callable[[str], None],
    ) -> None:
        error = "not supervised"
        try:
            await self._mark(call.job, access)
            record = await call.run()
            error = "worker_lost" if record.outcome == "worker_lost" else ""
            if call.saved:  # else the next server saves it from its events
                self._marks.clear(record.call_id)
        finally:
            self._seats.release(seat)
            self._running.pop(call.job.call_id, None)
            finished(error)

    async def _mark(self, job: CallJob, access: LiveKitAccess) -> None:
        try:
            await asyncio.to_thread(self._marks.set, job.call_id, job.room, access.url)
        except OSError as error:
            logger.error(f"The call runs unmarked, a crash would leave it without end: {error}")
