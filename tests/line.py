"""A whole line for tests: the real stack, phones that dial it, and nothing left behind a call."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from livekit import api as livekit_api

from local.callers.ears import Ears
from local.callers.phone import Phone
from local.callers.scenario import VoiceSpec
from local.callers.voice import Voice
from local.models import models_folder, moonshine_folder, piper_voice
from local.sip.endpoint import SipEndpoint
from local.stack.api import Api
from local.stack.ports import Ports
from local.stack.stack import Stack, StackConfig

RECEPTIONIST, ECHO, NOBODY = "+15550100", "+15550199", "+15550000"
_CLEAN_SECS = 10.0


def stack_config(tmp_path: Path, **settings: str) -> StackConfig:
    """A stack of the tests' own: free ports, a folder of its own, the machine's models."""
    return StackConfig(dict(os.environ), Ports.free(), tmp_path, settings=settings)


@dataclass
class Line:
    """A running stack and a phone's socket.

    Parameters:
        stack: The three processes.
        api: The server's HTTP API.
        endpoint: Dials.
        lines: Audio of sentences, by text.
        ears: Recognises what was heard.
    """

    stack: Stack
    api: Api
    endpoint: SipEndpoint
    lines: dict[str, np.ndarray]
    ears: Ears
    idle: tuple[int, int] = (0, 0)

    def dial(self, number: str, caller: str = "") -> tuple[Phone, str]:
        """A phone that dials, and the number that it calls from."""
        caller = caller or f"+1555{random.randrange(10**7):07d}"
        uri = f"sip:{number}@{self.stack.address.sip}"
        return Phone.dial(self.endpoint, uri, caller=caller), caller

    async def record(self, caller: str) -> dict[str, Any]:
        """The one record of the call from a number, once it is complete."""
        return await self.api.finished_call(caller, 20)

    async def words(self, phone: Phone) -> str:
        """Everything that was heard on a phone."""
        return " ".join([await self.ears.transcribe(u.pcm) for u in phone.heard])

    async def faults(self, rules: list[dict[str, Any]]) -> None:
        """Make the local providers fail; an empty list heals them."""
        await self.api.post(f"{self.stack.address.providers}/control/faults", rules)

    def call_processes(self) -> list[psutil.Process]:
        """The server's processes that are in a room: only they have UDP sockets."""
        server = psutil.Process(self.stack.children["server"].pid)
        return [p for p in server.children(recursive=True) if _udp_sockets(p)]

    async def replaced(self, process: psutil.Process) -> None:
        """Wait until another process is in the room."""
        async with asyncio.timeout(_CLEAN_SECS):
            while all(other.pid == process.pid for other in self.call_processes()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def is_clean(self) -> None:
        """Wait until no room, process or socket of a call is left.

        Raises:
            AssertionError: If something stays; with what.
        """
        url = self.stack.livekit.url.replace("ws", "http", 1)
        key, secret = self.stack.livekit.api_key, self.stack.livekit.api_secret
        deadline = time.monotonic() + _CLEAN_SECS
        async with livekit_api.LiveKitAPI(url, key, secret) as livekit:
            while True:
                rooms = (await livekit.room.list_rooms(livekit_api.ListRoomsRequest())).rooms
                in_calls, counts = self.call_processes(), self._counts()
                if not rooms and not in_calls and counts == self.idle:
                    return
                left = f"rooms {[r.name for r in rooms]}, in calls {in_calls}, {counts}"
                assert time.monotonic() < deadline, f"{left}, idle was {self.idle}"
                await asyncio.sleep(0.1)

    def _counts(self) -> tuple[int, int]:
        """The server's processes, and the exchange's UDP sockets."""
        server = psutil.Process(self.stack.children["server"].pid)
        exchange = psutil.Process(self.stack.children["exchange"].pid)
        return len(server.children(recursive=True)), _udp_sockets(exchange)


@asynccontextmanager
async def open_line(
    tmp_path: Path, sentences: Iterable[str] = (), **settings: str
) -> AsyncIterator[Line]:
    """Bring everything up, and down again."""
    models = models_folder(os.environ)
    voice = Voice(
        VoiceSpec(words_per_minute=195),
        piper_model=piper_voice(models),
        cache_dir=models.parent / "caller-lines",
    )
    lines = await voice.render(list(sentences))
    ears = await Ears.open(moonshine_folder(models))
    endpoint = await SipEndpoint.open()
    try:
        async with (
            Stack(stack_config(tmp_path, **settings)) as stack,
            Api(stack.address.api, stack.address.api_key) as api,
        ):
            line = Line(stack, api, endpoint, lines, ears)
            await _settle(line)
            yield line
    finally:
        await endpoint.close()
        await ears.close()


async def _settle(line: Line) -> None:
    """Wait until the pool is full: its processes are the idle state."""
    async with asyncio.timeout(_CLEAN_SECS):
        before, seen = (-1, -1), line._counts()
        while seen != before:
            before = seen
            await asyncio.sleep(0.5)
            seen = line._counts()
    line.idle = seen


def _udp_sockets(process: psutil.Process) -> int:
    try:
        return len(process.net_connections("udp"))
    except psutil.NoSuchProcess:
        return 0
