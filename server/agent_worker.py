"""Takes calls from LiveKit: a worker on its ``/agent`` websocket."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from google.protobuf.message import DecodeError
from livekit.api import AccessToken, VideoGrants
from livekit.protocol import agent as proto
from loguru import logger
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_base, wait_random_exponential

from server.livekit_access import LiveKitAccess
from server.seats import Seats

STATUS_SECS = 2.5
REGISTER_SECS = 10.0
ASSIGNMENT_SECS = 7.5
HEARTBEAT_SECS = 10.0


class WorkerError(Exception):
    """The worker has no connection to LiveKit; the message says why and what to do."""


class ConnectionLostError(Exception):
    """A registered connection ended."""


@dataclass(frozen=True)
class Assignment:
    """A call that LiveKit gave to this server.

    Parameters:
        job_id: LiveKit's id of the job.
        room: The room with the caller's leg.
        url: Where to join.
        token: Joins the room as ``identity``; a secret, good for 1 h.
        identity: The bot's identity: one a room, so that a second one replaces the first.
        metadata: The dispatch's metadata.
        access: The LiveKit that gave it, with the key for what the call asks of its API.
    """

    job_id: str
    room: str
    url: str
    token: str
    identity: str
    metadata: str
    access: LiveKitAccess


class AgentWorker:
    """Keeps one registered connection and turns jobs into assignments.

    A seat is reserved before an offer is answered, and freed when no assignment follows.
    Source: ``livekit_agent.proto``; livekit ``pkg/service/agentservice.go``.
    """

    def __init__(
        self,
        access: LiveKitAccess,
        seats: Seats,
        *,
        agent_name: str,
        on_assigned: Callable[[Assignment], None],
        on_terminated: Callable[[str], None],
        wait: wait_base | None = None,
        spread_secs: float = 0.5,
    ):
        """Initialize the worker.

        Args:
            access: LiveKit's address and key.
            seats: Reserved here; the owner of a call releases its seat.
            agent_name: The name that dispatch rules give.
            on_assigned: Told of each call; must not block.
            on_terminated: Told of each job that LiveKit ended, by its id.
            wait: Time between attempts to connect; at random up to 10 s unless given.
            spread_secs: After a lost connection up to this long at random before the next, so that
                many workers do not return at once.
        """
        self._access, self._seats, self._agent_name = access, seats, agent_name
        self._on_assigned, self._on_terminated = on_assigned, on_terminated
        self._wait = wait or wait_random_exponential(multiplier=0.5, max=10)
        self._spread_secs = spread_secs
        self.registered = asyncio.Event()
        self.problem = "not connected yet"
        self.worker_id = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._offers: dict[str, asyncio.TimerHandle] = {}
        self._outbox: asyncio.Queue[proto.WorkerMessage] = asyncio.Queue()
        seats.listen(self._report)

    async def run(self) -> None:
        """Connects and serves, for ever; cancel it to leave."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((WorkerError, aiohttp.ClientError, OSError)),
            wait=self._wait,
            before_sleep=self._note_failure,
        )
        while True:
            try:
                async for attempt in retrying:
                    with attempt:
                        await self._connect_and_serve()
            except ConnectionLostError as error:  # was registered: start again without long waits
                self.problem = str(error)
                logger.warning(f"{self}: {error}; running calls go on")
                await asyncio.sleep(random.uniform(0, self._spread_secs))

    def finished(self, job_id: str, error: str = "") -> None:
        """Tells LiveKit how a job ended."""
        status = proto.JobStatus.JS_FAILED if error else proto.JobStatus.JS_SUCCESS
        self._send(update_job=proto.UpdateJobStatus(job_id=job_id, status=status, error=error))

    async def _connect_and_serve(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                socket = await session.ws_connect(
                    self._access.websocket_url + "/agent",
                    params={"protocol": "1"},
                    headers={"Authorization": f"Bearer {self._token()}"},
                    heartbeat=HEARTBEAT_SECS,
                    max_msg_size=2 << 20,
                )
            except aiohttp.WSServerHandshakeError as error:
                raise WorkerError(self._access.explain(error.status)) from error
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                raise WorkerError(self._access.explain(None)) from error
            async with socket:
                await self._serve(socket)

    async def _serve(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        register = proto.RegisterWorkerRequest(
            type=proto.JobType.JT_ROOM,
            agent_name=self._agent_name,
            version="switchboard",
            ping_interval=int(HEARTBEAT_SECS),
        )
        await socket.send_bytes(proto.WorkerMessage(register=register).SerializeToString())
        try:
            async with asyncio.timeout(REGISTER_SECS):
                first = await self._receive(socket)
        except TimeoutError as error:
            raise WorkerError("LiveKit did not answer the registration") from error
        if first is None or not first.HasField("register"):
            raise WorkerError("LiveKit refused the registration")
        self._on_registered(socket, first.register.worker_id)
        sending = asyncio.create_task(self._send_all(socket))
        try:
            while message := await self._receive(socket):
                self._handle(message)
        finally:
            self.registered.clear()
            self._socket = None
            sending.cancel()
            await asyncio.wait([sending])
        raise ConnectionLostError(f"LiveKit closed the connection ({socket.close_code})")

    def _on_registered(self, socket: aiohttp.ClientWebSocketResponse, worker_id: str) -> None:
        self._outbox = asyncio.Queue()
        self._socket, self.worker_id, self.problem = socket, worker_id, ""
        self.registered.set()
        self._report()
        logger.info(f"{self}: registered as {worker_id}, {self._seats.total} seats")

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> proto.ServerMessage | None:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.BINARY:
                continue
            try:
                return proto.ServerMessage.FromString(frame.data)
            except DecodeError as error:
                raise WorkerError("LiveKit sent something that is no message") from error
        return None

    async def _send_all(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            try:
                async with asyncio.timeout(STATUS_SECS):
                    message = await self._outbox.get()
            except TimeoutError:
                message = proto.WorkerMessage(update_worker=self._status())
            try:
                await socket.send_bytes(message.SerializeToString())
            except ConnectionError:
                return  # the reader sees the end of the socket too

    def _handle(self, message: proto.ServerMessage) -> None:
        match message.WhichOneof("message"):
            case "availability":
                self._offered(message.availability.job)
            case "assignment":
                self._assigned(message.assignment)
            case "termination":
                self._on_terminated(message.termination.job_id)
            case other:
                logger.debug(f"{self}: {other}")

    def _offered(self, job: proto.Job) -> None:
        room = job.room.name
        refusal = "not a room's job" if job.type != proto.JobType.JT_ROOM else None
        # Two LiveKits may have a room of the same name.
        refusal = refusal or self._seats.reserve(job.id, f"{room} at {self._access.url}")
        if refusal:
            logger.warning(f"{self}: job {job.id} refused, {refusal}")
            answer = proto.AvailabilityResponse(job_id=job.id, available=False)
        else:
            identity = f"bot-{room}"
            self._offers[job.id] = asyncio.get_running_loop().call_later(
                ASSIGNMENT_SECS, self._withdraw, job.id
            )
            answer = proto.AvailabilityResponse(
                job_id=job.id,
                available=True,
                participant_identity=identity,
                participant_name=self._agent_name,
            )
        self._send(availability=answer)

    def _assigned(self, assignment: proto.JobAssignment) -> None:
        job = assignment.job
        timer = self._offers.pop(job.id, None)
        if timer is None:
            logger.warning(f"{self}: job {job.id} assigned too late or never offered: left alone")
            self.finished(job.id, "assigned too late")
            return
        timer.cancel()
        self._send(
            update_job=proto.UpdateJobStatus(job_id=job.id, status=proto.JobStatus.JS_RUNNING)
        )
        self._on_assigned(
            Assignment(
                job_id=job.id,
                room=job.room.name,
                url=assignment.url or self._access.websocket_url,
                token=assignment.token,
                identity=f"bot-{job.room.name}",
                metadata=job.metadata,
                access=self._access,
            )
        )

    def _withdraw(self, job_id: str) -> None:
        self._offers.pop(job_id, None)
        logger.warning(f"{self}: job {job_id} was accepted and never assigned")
        self._seats.release(job_id)

    def _report(self) -> None:
        self._send(update_worker=self._status())

    def _status(self) -> proto.UpdateWorkerStatus:
        full = self._seats.full
        return proto.UpdateWorkerStatus(
            status=proto.WorkerStatus.WS_FULL if full else proto.WorkerStatus.WS_AVAILABLE,
            load=self._seats.load,
            job_count=self._seats.taken,
        )

    def _send(self, **message) -> None:
        if self._socket is not None:
            self._outbox.put_nowait(proto.WorkerMessage(**message))

    def _note_failure(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        delay = state.next_action.sleep if state.next_action else 0.0
        if str(error) != self.problem:
            logger.error(f"{self}: {error}; trying again")
        self.problem = str(error)
        logger.debug(f"{self}: next attempt in {delay:.1f} s")

    def _token(self) -> str:
        token = AccessToken(self._access.api_key, self._access.api_secret.get_secret_value())
        return token.with_grants(VideoGrants(agent=True)).with_ttl(timedelta(hours=1)).to_jwt()

    def __str__(self) -> str:
        return f"AgentWorker({self._agent_name} at {self._access.url})"
