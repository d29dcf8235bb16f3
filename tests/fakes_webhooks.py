"""A receiver of LiveKit's webhooks that verifies them."""

import asyncio
import json
from typing import Any

from aiohttp import web
from livekit import api


class WebhookReceiver:
    """Keeps every body, in the order of arrival; can be told to fail."""

    def __init__(self, key: str, secret: str):
        self._receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.failures_left = 0
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        app = web.Application()
        app.add_routes([web.post("/", self._receive)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[0][1]}/"

    async def close(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        text = await request.text()
        self._receiver.receive(text, request.headers["Authorization"])
        if self.failures_left:
            self.failures_left -= 1
            return web.Response(status=503)
        self.bodies.append(json.loads(text))
        self.headers.append(dict(request.headers))
        self._changed.set()
        return web.Response()

    def of_room(self, name: str) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["room"]["name"] == name]

    async def wait_for(self, event: str, room: str, secs: float = 8.0) -> dict[str, Any]:
        async with asyncio.timeout(secs):
            while True:
                found = [body for body in self.of_room(room) if body["event"] == event]
                if found:
                    return found[0]
                self._changed.clear()
                await self._changed.wait()
