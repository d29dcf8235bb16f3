"""Stand-ins for the server's tests: a session without a line, LiveKit's ``/agent`` and rooms."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from aiohttp import WSMsgType, web
from livekit.protocol import agent as proto
from livekit.protocol import models
from livekit.protocol.room import (
    DeleteRoomRequest,
    DeleteRoomResponse,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsResponse,
)

from bots.job import CallJob
from records.events import (
    Answered,
    BotReady,
    CallEnded,
    CallerJoined,
    CallStarted,
    ErrorRaised,
    RecordingStarted,
)
from records.log import EventLog
from records.wav import StereoWavWriter
from server.call_process import ConfigurationError
from server.settings import fork_environment

ROOT = Path(__file__).parent.parent


async def until(condition: Callable[[], object], secs: float = 10) -> None:
    """Waits for something in another process, which has no event to await."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def fork_server_environment() -> dict[str, str]:
    return {**fork_environment(), "PYTHONPATH": str(ROOT)}


class FakeSession:
    """Does what the job's metadata says: ``{"end": how, "record": seconds}``."""

    async def warm_up(self) -> None:
        print("warmed up")

    async def end_room(self, job: CallJob) -> None:
        _first_time(job.room)

    async def run_call(self, job: CallJob, log: EventLog, commands: asyncio.Queue[dict]) -> None:
        script = json.loads(job.metadata or "{}")
        outcome, reason = "completed", "bot"
        if script.get("end", "").startswith("deaf"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        log.add(CallStarted, room=job.room)
        log.add(CallerJoined, caller="+15557777", dialled="+15550100", bot="echo")
        log.add(BotReady, ready_secs=0.01)
        if script.get("end") == "killed while it rings":
            os.kill(os.getpid(), signal.SIGKILL)
        if script.get("record") and job.recording_path:
            log.add(RecordingStarted)
            _record(job.recording_path, script["record"])
        log.add(Answered)
        match script.get("end", "hang_up"):
            case "hang_up":
                command = await commands.get()
                outcome = command.get("outcome", "completed")
                reason = "politely" if command.get("politely") else "now"
            case "at once":
                pass
            case "raise":
                raise RuntimeError("the session broke")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "killed once" if _first_time(script["mark"]):
                os.kill(os.getpid(), signal.SIGKILL)
            case "killed once":
                command = await commands.get()
                reason = "second process dials" if job.dial else "second process"
            case "deaf":  # neither commands nor SIGTERM end it
                await asyncio.Event().wait()
            case "leaves a deaf task":
                self.deaf = asyncio.create_task(_deaf())
                await asyncio.sleep(0)
            case "deaf after the end":
                log.add(CallEnded, outcome="completed", reason="bot")
                await asyncio.Event().wait()
            case "errors":
                log.add(ErrorRaised, source="LLM", message="no answer")
        log.add(CallEnded, outcome=outcome, reason=reason)


async def _deaf() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


def _first_time(mark: str) -> bool:
    try:
        Path(mark).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _record(path: str, secs: float) -> None:
    with StereoWavWriter(path, 16000) as wav:
        tone = (8000 * np.sin(np.arange(int(16000 * secs)) / 10)).astype(np.int16)
        wav.write(tone, np.zeros_like(tone))


def load_session() -> FakeSession:
    return FakeSession()


def load_misconfigured() -> FakeSession:
    raise ConfigurationError("bots/echo.yaml: numbers: '+1' is claimed twice")


def load_broken() -> FakeSession:
    raise ImportError("no such module")


def load_with_a_thread() -> FakeSession:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return FakeSession()


class FakeLiveKit:
    """The ``/agent`` websocket of one worker, and DeleteRoom and ListParticipants."""

    def __init__(self):
        self.url = ""
        self.refuse: int | None = None
        self.status, self.list_status = 200, 200
        self.received: asyncio.Queue[proto.WorkerMessage] = asyncio.Queue()
        self.statuses: list[proto.UpdateWorkerStatus] = []
        self.deleted: list[str] = []
        self.callers: set[str] = set()
        self.delete_failures = 0
        self.connections = 0
        self.authorization = ""
        self.socket: web.WebSocketResponse | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "FakeLiveKit":
        app = web.Application()
        app.router.add_get("/agent", self._agent)
        app.router.add_get("/", self._alive)
        app.router.add_post("/twirp/livekit.RoomService/ListRooms", self._list_rooms)
        app.router.add_post("/twirp/livekit.RoomService/DeleteRoom", self._delete)
        app.router.add_post("/twirp/livekit.RoomService/ListParticipants", self._list)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_) -> None:
        if self.socket:
            await self.socket.close()
        assert self._runner
        await self._runner.cleanup()

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        self.authorization = request.headers["Authorization"]
        if self.refuse:
            return web.Response(status=self.refuse)
        self.socket = socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is not WSMsgType.BINARY:
                continue
            message = proto.WorkerMessage.FromString(frame.data)
            if message.HasField("register"):
                await self.send(register=proto.RegisterWorkerResponse(worker_id="AW_1"))
            if message.HasField("update_worker"):
                self.statuses.append(message.update_worker)
            else:
                self.received.put_nowait(message)
        return socket

    async def send(self, **message) -> None:
        assert self.socket
        await self.socket.send_bytes(proto.ServerMessage(**message).SerializeToString())

    async def next(self, field: str):
        """The next message of this kind; others are dropped."""
        async with asyncio.timeout(10):
            while not (message := await self.received.get()).HasField(field):
                pass
        return getattr(message, field)

    async def offer(self, job_id: str, room: str, metadata: str = "", kind=proto.JobType.JT_ROOM):
        job = proto.Job(id=job_id, type=kind, room=models.Room(name=room), metadata=metadata)
        await self.send(availability=proto.AvailabilityRequest(job=job))
        return await self.next("availability")

    async def assign(self, job_id: str, room: str, metadata: str = "") -> None:
        job = proto.Job(id=job_id, room=models.Room(name=room), metadata=metadata)
        await self.send(assignment=proto.JobAssignment(job=job, token="token"))

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status)

    async def _list_rooms(self, _: web.Request) -> web.Response:
        if self.list_status != 200:
            return web.Response(status=self.list_status, text="invalid authorization token")
        return _protobuf(ListRoomsResponse())

    async def _delete(self, request: web.Request) -> web.Response:
        if self.delete_failures:
            self.delete_failures -= 1
            return web.json_response({"code": "unavailable", "msg": "busy"}, status=503)
        room = DeleteRoomRequest.FromString(await request.read()).room
        self.deleted.append(room)
        self.callers.discard(room)
        return _protobuf(DeleteRoomResponse())

    async def _list(self, request: web.Request) -> web.Response:
        room = ListParticipantsRequest.FromString(await request.read()).room
        people = [models.ParticipantInfo(identity="sip_1", kind=models.ParticipantInfo.Kind.SIP)]
        return _protobuf(
            ListParticipantsResponse(participants=people if room in self.callers else [])
        )


def _protobuf(message) -> web.Response:
    return web.Response(body=message.SerializeToString(), content_type="application/protobuf")
