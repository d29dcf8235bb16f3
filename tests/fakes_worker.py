"""An agent worker by hand: the ``/agent`` websocket, message by message."""

import asyncio
import time
from typing import Any

import aiohttp
from livekit import api
from livekit.protocol import agent as pb


class FakeWorker:
    """Registers and keeps what the server says, by kind."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse):
        self._session, self._socket = session, socket
        self.received: list[tuple[str, Any]] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, jwt: str) -> "FakeWorker":
        session = aiohttp.ClientSession()
        try:
            socket = await session.ws_connect(
                f"{url}/agent", headers={"Authorization": f"Bearer {jwt}"}
            )
        except BaseException:
            await session.close()
            raise
        return cls(session, socket)

    @classmethod
    async def register(
        cls,
        url: str,
        jwt: str,
        agent_name: str,
        job_type: pb.JobType = pb.JT_ROOM,
        load: float = 0.0,
        status: pb.WorkerStatus = pb.WS_AVAILABLE,
    ) -> "FakeWorker":
        worker = await cls.connect(url, jwt)
        await worker.send(
            register=pb.RegisterWorkerRequest(type=job_type, agent_name=agent_name, version="1")
        )
        await worker.next("register")
        await worker.send(update_worker=pb.UpdateWorkerStatus(status=status, load=load))
        # Messages of one socket are handled in order: the pong means that the load is known.
        await worker.send(ping=pb.WorkerPing(timestamp=int(time.time() * 1000)))
        await worker.next("pong")
        return worker

    async def send(self, **message: Any) -> None:
        await self._socket.send_bytes(pb.WorkerMessage(**message).SerializeToString())

    async def send_raw(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def next(self, kind: str, count: int = 1, secs: float = 8.0) -> Any:
        """Return the ``count``-th message of a kind."""
        async with asyncio.timeout(secs):
            while len(self.of(kind)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(kind)[count - 1]

    def of(self, kind: str) -> list[Any]:
        return [message for name, message in self.received if name == kind]

    async def accept(self, identity: str, count: int = 1, **more: Any) -> pb.JobAssignment:
        """Say yes to the ``count``-th question and return the assignment."""
        asked = await self.next("availability", count)
        answer = pb.AvailabilityResponse(
            job_id=asked.job.id, available=True, participant_identity=identity, **more
        )
        await self.send(availability=answer)
        return await self.next("assignment", count)

    async def refuse(self, count: int = 1) -> None:
        asked = await self.next("availability", count)
        await self.send(availability=pb.AvailabilityResponse(job_id=asked.job.id, available=False))

    async def closed(self, secs: float = 12.0) -> int | None:
        """Wait for the server to close; returns the close code."""
        await asyncio.wait_for(self._task, secs)
        return self._socket.close_code

    async def close(self) -> None:
        await self._socket.close()
        await self._session.close()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                parsed = pb.ServerMessage.FromString(message.data)
                kind = parsed.WhichOneof("message") or ""
                self.received.append((kind, getattr(parsed, kind)))
                self._changed.set()


def worker_token(key: str, secret: str) -> str:
    return api.AccessToken(key, secret).with_grants(api.VideoGrants(agent=True)).to_jwt()
