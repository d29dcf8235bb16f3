"""A stand-in for LiveKit's Twirp API: answers by method, remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from google.protobuf.message import Message
from livekit.protocol.room import RoomParticipantIdentity
from livekit.protocol.sip import CreateSIPParticipantRequest

Answer = Message | web.Response
Handler = Callable[[bytes], Awaitable[Answer]]


def twirp_error(code: str, message: str, status: int, **meta: str) -> web.Response:
    """An error as LiveKit words it."""
    return web.json_response({"code": code, "msg": message, "meta": meta}, status=status)


class FakeLiveKitApi:
    """Answers ``/twirp/livekit.<Service>/<Method>``.

    Parameters:
        answers: By method: a message, a response, or a coroutine function of the body.
        asked: Methods in the order they were asked.
        bodies: The last body of each method.
    """

    def __init__(self):
        self.answers: dict[str, Answer | Handler] = {}
        self.asked: list[str] = []
        self.bodies: dict[str, bytes] = {}
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["FakeLiveKitApi"]:
        app = web.Application()
        app.router.add_post("/twirp/{service}/{method}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.asked.append(method)
        self.bodies[method] = body = await request.read()
        answer = self.answers.get(method)
        if callable(answer):
            answer = await answer(body)
        if answer is None:
            return twirp_error("not_found", f"nothing is set for {method}", 404)
        if isinstance(answer, web.Response):
            return answer
        return web.Response(body=answer.SerializeToString(), content_type="application/protobuf")


class RingingPhone:
    """A phone that rings until it is removed or told otherwise; sits behind a ``FakeLiveKitApi``.

    Parameters:
        asked: Set when it is dialled.
        present: Set while the participant is in the room.
        missed: Set when it was to be removed and was not there.
        removed: Set when the leg was hung up.
        result: What the dialling ends with.
    """

    def __init__(self, api: FakeLiveKitApi, *, appears: bool = True):
        self.asked, self.missed = asyncio.Event(), asyncio.Event()
        self.present = asyncio.Event()
        self.removed = asyncio.Event()
        self.result: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.dialled: CreateSIPParticipantRequest | None = None
        self._appears = appears
        api.answers["CreateSIPParticipant"] = self._dial
        api.answers["RemoveParticipant"] = self._remove

    async def _dial(self, body: bytes) -> Answer:
        self.dialled = CreateSIPParticipantRequest.FromString(body)
        self.asked.set()
        if self._appears:
            self.present.set()
        return await asyncio.shield(self.result)

    async def _remove(self, body: bytes) -> Answer:
        if not self.present.is_set():
            self.missed.set()
            return twirp_error("not_found", "participant does not exist", 404)
        self.present.clear()
        self.removed.set()
        if not self.result.done():
            self.result.set_result(
                twirp_error("canceled", "twirp error unknown: sip request timed out", 408)
            )
        return RoomParticipantIdentity()
