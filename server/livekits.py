"""The LiveKits of a server: calls come in from each, new ones go out by the first that is well."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from loguru import logger

from server.agent_worker import AgentWorker, Assignment
from server.livekit_access import LiveKitAccess, Rooms
from server.seats import Seats

PROBE_SECS = 5.0
PATIENCE_SECS = 2.0
NOT_WELL = 406
"""What livekit-server answers while it hears nothing of itself.

Source: livekit ``pkg/service/server.go`` (healthCheck).
"""


@dataclass
class LiveKit:
    """One of them.

    Parameters:
        access: Its address and key.
        worker: Takes its calls.
        rooms: Ends its rooms.
        api_problem: Why its API cannot be used; "" while it answers, or was not asked yet.
    """

    access: LiveKitAccess
    worker: AgentWorker
    rooms: Rooms
    api_problem: str = field(default="")

    @property
    def problem(self) -> str:
        """What is wrong with it; "" when it is well."""
        return self.api_problem if self.worker.registered.is_set() else self.worker.problem

    @property
    def shows_life(self) -> bool:
        """Whether the worker is registered, or the API answers."""
        return self.worker.registered.is_set() or not self.api_problem

    @property
    def state(self) -> Mapping[str, Any]:
        """What ``/readyz`` says of it."""
        return {"url": self.access.url, "up": not self.problem, "problem": self.problem}


class LiveKits:
    """Registers a worker with each, asks each now and then, and knows which call belongs where."""

    def __init__(
        self,
        accesses: Sequence[LiveKitAccess],
        seats: Seats,
        *,
        agent_name: str,
        on_assigned: Callable[[Assignment], object],
        on_terminated: Callable[[str], None],
        probe_secs: float = PROBE_SECS,
    ):
        """Initialize; nothing connects.

        Args:
            accesses: The preferred one first; at least one.
            seats: Shared by all.
            agent_name: The name that dispatch rules give.
            on_assigned: Told of each call.
            on_terminated: Told of each job that a LiveKit ended.
            probe_secs: Between two questions to an API.
        """
        self._seats, self._agent_name, self.probe_secs = seats, agent_name, probe_secs
        self._on_assigned, self._on_terminated = on_assigned, on_terminated
        self._workers: dict[str, AgentWorker] = {}
        self.all = tuple(self._make(access) for access in accesses)

    def choose(self) -> LiveKitAccess | None:
        """Where a new call goes out: the first that is well; None if none is there.

        Where none is quite well, one that shows some life is worth the attempt.
        """
        well = [livekit for livekit in self.all if not livekit.problem]
        alive = [livekit for livekit in self.all if livekit.shows_life]
        return next((livekit.access for livekit in [*well, *alive]), None)

    def rooms_of(self, access: LiveKitAccess) -> Rooms:
        """The rooms where a call lives."""
        return next(livekit.rooms for livekit in self.all if livekit.access == access)

    def rooms_at(self, url: str) -> Rooms:
        """The rooms of the LiveKit with this address; the preferred one's if unknown."""
        found = (kit.rooms for kit in self.all if kit.access.url == url)
        return next(found, self.all[0].rooms)

    def finished(self, job_id: str, error: str) -> None:
        """Tells the LiveKit that gave a job how it ended."""
        if worker := self._workers.pop(job_id, None):
            worker.finished(job_id, error)

    def why_no_calls(self) -> list[str]:
        """Why no call can come in; empty while one worker is registered."""
        if any(livekit.worker.registered.is_set() for livekit in self.all):
            return []
        return [livekit.worker.problem for livekit in self.all]

    async def wait_registered(self) -> None:
        """Returns when one worker is registered."""
        waiting = [asyncio.create_task(kit.worker.registered.wait()) for kit in self.all]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    async def run(self) -> None:
        """Serves all, for ever; cancel it to leave."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECS)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for livekit in self.all:
                tasks.create_task(livekit.worker.run())
                tasks.create_task(self._probe(livekit, session))

    async def close(self) -> None:
        """Closes the connections of the APIs."""
        for livekit in self.all:
            await livekit.rooms.close()

    def _make(self, access: LiveKitAccess) -> LiveKit:
        def assigned(assignment: Assignment) -> None:
            self._workers[assignment.job_id] = worker
            self._on_assigned(assignment)

        worker = AgentWorker(
            access,
            self._seats,
            agent_name=self._agent_name,
            on_assigned=assigned,
            on_terminated=self._on_terminated,
        )
        return LiveKit(access, worker, Rooms(access))

    async def _probe(self, livekit: LiveKit, session: aiohttp.ClientSession) -> None:
        while True:
            problem = await api_problem(livekit.access, session)
            if problem != livekit.api_problem:
                logger.log("WARNING" if problem else "INFO", problem or f"{livekit.access.url}: up")
            livekit.api_problem = problem
            await asyncio.sleep(self.probe_secs)


async def api_problem(access: LiveKitAccess, session: aiohttp.ClientSession) -> str:
    """Ask whether a LiveKit is there; what is wrong, or "".

    It costs the server nothing and needs no key.
    """
    try:
        async with session.get(access.http_url) as answer:
            if answer.status == NOT_WELL or answer.status >= 500:
                return f"LiveKit at {access.url} says {answer.status}: it is not well"
    except (aiohttp.ClientError, TimeoutError, OSError):
        return access.explain(None)
    return ""
