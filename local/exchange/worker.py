"""An agent worker: a process of the bot side that takes jobs over the ``/agent`` websocket."""

import asyncio
from collections.abc import Callable

from livekit.protocol import agent as pb
from livekit.protocol import models

from local.exchange.ids import new_id

# livekit-server leaves a worker alone from this load on (agents' default threshold).
FULL_LOAD = 0.7
# The load travels as a 32-bit float, in which 0.7 is a little less than 0.7.
_FLOAT32_ERROR = 1e-6


class WorkerGoneError(Exception):
    """The worker's websocket closed before it answered."""


class Worker:
    """One registered worker: its load, and the questions it has not answered yet."""

    def __init__(
        self, registration: pb.RegisterWorkerRequest, send: Callable[[pb.ServerMessage], None]
    ):
        """Register a worker.

        Args:
            registration: Its first message.
            send: Sends it a message.
        """
        self.id = new_id("AW_")
        self.agent_name = registration.agent_name
        self.job_type = registration.type
        self.permission: models.ParticipantPermission | None = (
            registration.allowed_permissions
            if registration.HasField("allowed_permissions")
            else None
        )
        self.load = 0.0
        self.available = True
        self.send = send
        self._asked: dict[str, asyncio.Future[pb.AvailabilityResponse]] = {}

    def __str__(self) -> str:
        return f"worker {self.id} ({self.agent_name!r})"

    @property
    def takes_jobs(self) -> bool:
        """Available and not loaded to the limit."""
        return self.available and self.load < FULL_LOAD - _FLOAT32_ERROR

    async def ask(self, job: pb.Job) -> pb.AvailabilityResponse:
        """Ask whether the worker takes a job; the caller sets the time limit.

        Raises:
            WorkerGoneError: If it disconnects first.
        """
        answer = self._asked[job.id] = asyncio.get_running_loop().create_future()
        try:
            self.send(pb.ServerMessage(availability=pb.AvailabilityRequest(job=job)))
            return await answer
        finally:
            self._asked.pop(job.id, None)

    def handle(self, message: pb.WorkerMessage) -> None:
        """Take a message that is neither a registration nor a ping."""
        match message.WhichOneof("message"):
            case "update_worker":
                update = message.update_worker
                self.load = update.load
                if update.HasField("status"):
                    self.available = update.status == pb.WS_AVAILABLE
            case "availability":
                waiting = self._asked.get(message.availability.job_id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.availability)
            case _:  # update_job is bookkeeping that nothing reads here
                pass

    def gone(self) -> None:
        """Fail what it was asked."""
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(WorkerGoneError(str(self)))
