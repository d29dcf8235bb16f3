"""A telephone by ``local.sip`` that keeps every SIP message and all it hears."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from local.sip.message import Request, Response

FRAME_SECS = 0.02


def tone(hertz: float, secs: float) -> np.ndarray:
    time = np.arange(round(secs * 8000)) / 8000
    return (np.sin(2 * np.pi * hertz * time) * 10000).astype(np.int16)


class Phone:
    """One caller; talks on a 20 ms clock of its own once a call is up."""

    def __init__(self, endpoint: SipEndpoint):
        self.endpoint = endpoint
        self.messages: list[tuple[str, Request | Response]] = []
        self.heard: list[np.ndarray] = []
        self.digits: list[str] = []
        self._changed = asyncio.Event()
        self._speech: list[np.ndarray] = []
        self._clocks: list[asyncio.Task[None]] = []
        endpoint.on_message = self._on_message

    @classmethod
    async def open(cls, **options: Any) -> "Phone":
        return cls(await SipEndpoint.open("127.0.0.1", 0, **options))

    def dial(self, number: str, address: str, *, talk: bool = True, **options: Any) -> SipCall:
        call = self.endpoint.invite(
            f"sip:{number}@{address}", **{"from_user": "+15557777", **options}
        )
        self.take_up(call, talk=talk)
        return call

    def take_up(self, call: SipCall, *, talk: bool = True) -> None:
        """Listen to a call, and talk once it is up."""
        call.media.on_audio = lambda pcm, at: (self.heard.append(pcm), self._changed.set())
        call.media.on_digit = lambda digit: (self.digits.append(digit), self._changed.set())
        if talk:
            self._clocks.append(asyncio.create_task(self._talk(call)))

    def say(self, pcm: np.ndarray) -> None:
        self._speech += list(pcm[: len(pcm) // 160 * 160].reshape(-1, 160))

    def fall_silent(self) -> None:
        """Send no audio any more, not even silence."""
        for clock in self._clocks:
            clock.cancel()

    def responses(self) -> list[tuple[int, str]]:
        """Status and phrase of every response to an INVITE."""
        return [
            (message.status, message.phrase)
            for way, message in self.messages
            if way == "in"
            and isinstance(message, Response)
            and message.headers.get("CSeq").endswith("INVITE")
        ]

    def requests(self, method: str) -> list[Request]:
        return [
            message
            for way, message in self.messages
            if way == "in" and isinstance(message, Request) and message.method == method
        ]

    async def until(self, condition: Callable[[], Any], secs: float = 8.0) -> Any:
        """Wait until a message or a frame makes something true."""
        async with asyncio.timeout(secs):
            while not (value := condition()):
                self._changed.clear()
                await self._changed.wait()
        return value

    def peak(self, last: int = 10) -> int:
        frames = self.heard[-last:]
        return int(max((np.abs(frame.astype(int)).max() for frame in frames), default=0))

    async def close(self) -> None:
        for clock in self._clocks:
            clock.cancel()
        await asyncio.gather(*self._clocks, return_exceptions=True)
        await self.endpoint.close()

    async def _talk(self, call: SipCall) -> None:
        try:
            await call.wait_answered()
        except SipCallError:
            return
        loop = asyncio.get_running_loop()
        due = loop.time()
        while call.end is None:
            call.media.send(self._speech.pop(0) if self._speech else np.zeros(160, np.int16))
            due += FRAME_SECS
            await asyncio.sleep(max(0, due - loop.time()))

    def _on_message(self, way: str, message: Request | Response, address: Any) -> None:
        self.messages.append((way, message))
        self._changed.set()
