"""The ``/agent`` websocket: workers register there, say how busy they are, and are found."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping

from aiohttp import WSMsgType, web
from google.protobuf.message import DecodeError
from livekit.protocol import agent as pb
from livekit.protocol import models
from loguru import logger

from local.exchange.tokens import TokenError, read_token
from local.exchange.worker import Worker

REGISTER_SECS = 10.0
_MAX_MESSAGE_BYTES = 2 << 20
_MAX_DEPLOYMENT = 64


class WorkerHub:
    """Knows the workers that are connected.

    Errors are those of livekit-server 1.13.5: 401 for a token without the ``agent`` grant, and a
    TCP connection that ends without a close frame for everything a worker does wrong.
    """

    def __init__(self, keys: Mapping[str, str], server_info: models.ServerInfo):
        """Start without workers.

        Args:
            keys: API secrets by API key.
            server_info: Told to workers as they register.
        """
        self._keys, self._server_info = keys, server_info
        self._workers: dict[str, Worker] = {}
        self.on_registered: Callable[[Worker], None] = lambda worker: None
        self.register_secs = REGISTER_SECS

    def routes(self) -> list[web.RouteDef]:
        """Return the HTTP routes."""
        return [web.get("/agent", self._connect)]

    def named(self, agent_name: str, job_type: pb.JobType) -> list[Worker]:
        """Return the workers of a name, busy ones included."""
        return [
            worker
            for worker in self._workers.values()
            if worker.agent_name == agent_name and worker.job_type == job_type
        ]

    def pick(self, agent_name: str, job_type: pb.JobType, asked: Collection[str]) -> Worker | None:
        """Choose a worker at random, the less loaded the likelier; none of ``asked`` (ids)."""
        free = [
            worker
            for worker in self.named(agent_name, job_type)
            if worker.takes_jobs and worker.id not in asked
        ]
        if not free:
            return None
        return random.choices(free, [1 - worker.load for worker in free])[0]

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            claims = read_token(
                request.headers.get("Authorization"),
                request.query.get("access_token"),
                self._keys,
            )
        except TokenError as exc:
            return web.Response(status=exc.status, text=exc.text)
        if claims is None or not claims.grants("agent"):
            return web.Response(status=401)
        socket = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE_BYTES, compress=False)
        if not socket.can_prepare(request):
            return web.Response(status=404)
        await socket.prepare(request)
        outbox: asyncio.Queue[pb.ServerMessage] = asyncio.Queue()
        writer = asyncio.create_task(_write(socket, outbox))
        try:
            if not await self._serve(socket, outbox) and request.transport is not None:
                request.transport.abort()  # pyright: ignore[reportAttributeAccessIssue]
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _serve(
        self, socket: web.WebSocketResponse, outbox: asyncio.Queue[pb.ServerMessage]
    ) -> bool:
        """Serve one worker; ``False`` if it broke the protocol."""
        worker: Worker | None = None
        try:
            first = await asyncio.wait_for(_receive(socket), self.register_secs)
            if first is None or not _acceptable(first):
                return False
            worker = Worker(first.register, outbox.put_nowait)
            self._workers[worker.id] = worker
            registered = pb.RegisterWorkerResponse(
                worker_id=worker.id, server_info=self._server_info
            )
            outbox.put_nowait(pb.ServerMessage(register=registered))
            logger.info(f"{worker} registered")
            self.on_registered(worker)
            while (message := await _receive(socket)) is not None:
                self._handle(worker, message)
            return socket.closed
        except (TimeoutError, DecodeError):
            return False
        finally:
            if worker is not None:
                del self._workers[worker.id]
                worker.gone()
                logger.info(f"{worker} disconnected")

    def _handle(self, worker: Worker, message: pb.WorkerMessage) -> None:
        if message.WhichOneof("message") == "ping":
            now_ms = int(time.time() * 1000)
            pong = pb.WorkerPong(last_timestamp=message.ping.timestamp, timestamp=now_ms)
            worker.send(pb.ServerMessage(pong=pong))
        else:
            worker.handle(message)


async def _receive(socket: web.WebSocketResponse) -> pb.WorkerMessage | None:
    """Return the next message, ``None`` at the end; raises ``DecodeError`` for anything else."""
    message = await socket.receive()
    if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
        return None
    if message.type != WSMsgType.BINARY:
        raise DecodeError("a worker speaks binary")
    return pb.WorkerMessage.FromString(message.data)


async def _write(socket: web.WebSocketResponse, outbox: asyncio.Queue[pb.ServerMessage]) -> None:
    while True:
        message = await outbox.get()
        try:
            await socket.send_bytes(message.SerializeToString())
        except (ConnectionError, RuntimeError):  # the reader ends the worker
            return


def _acceptable(first: pb.WorkerMessage) -> bool:
    if first.WhichOneof("message") != "register":
        return False
    deployment = first.register.deployment
    return len(deployment) <= _MAX_DEPLOYMENT and "_" not in deployment and " " not in deployment
