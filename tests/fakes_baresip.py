"""baresip, a SIP stack nobody here wrote, as caller and as callee."""

import asyncio
import contextlib
import socket

import numpy as np
import pytest

from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint

baresip = pytest.importorskip("baresip", reason="baresip-python is not installed")

BLOCK = 320
_PORTS = 5


async def within(waiting, secs: float = 8.0):
    async with asyncio.timeout(secs):
        return await waiting


def free_port() -> int:
    """A port that is free for UDP and TCP: baresip listens on both."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port


class Foreign:
    """One baresip runtime, and our endpoint beside it."""

    def __init__(self):
        self.calls: asyncio.Queue[SipCall] = asyncio.Queue()

    async def __aenter__(self) -> "Foreign":
        for left in reversed(range(_PORTS)):
            try:
                await self._start()
                break
            except baresip.BaresipError as error:
                # Somebody took the port between our look and baresip's.
                if not left or "in use" not in str(error):
                    raise
        self.ours = await SipEndpoint.open(on_invite=self._take)
        return self

    async def _start(self) -> None:
        self.port, self.runtime = free_port(), baresip.Runtime()
        config = baresip.Config(
            net_interface="127.0.0.1",
            max_concurrent_calls=None,
            native_log_level="error",
            expose_headers=("X-Tenant",),
            extra_config_text=f"sip_listen 127.0.0.1:{self.port}\nrtp_ports 42000-42999\n"
            "audio_jitter_buffer_type off\njitter_buffer_type off\n",
        )
        await self.runtime.start(config)

    async def __aexit__(self, *_):
        await self.ours.close()
        await self.runtime.close()

    async def _take(self, call: SipCall) -> None:
        self.calls.put_nowait(call)

    async def agent(
        self,
        user: str = "human",
        *,
        domain: str = "",
        password: str = "",
        reg_interval: int = 0,
        **kwargs,
    ):
        """A phone of its own port, or one that registers with ``domain``."""
        account = baresip.Account(
            user,
            domain or f"127.0.0.1:{self.port}",
            password,
            reg_interval=reg_interval,
            **kwargs,
        )
        agent = await baresip.UserAgent.create(self.runtime, account, transfer_policy="auto")
        if reg_interval:
            await agent.register()
        return agent

    def uri(self, user: str = "+15550100") -> str:
        return f"sip:{user}@127.0.0.1:{self.ours.address[1]}"

    async def answering_agent(self, **kwargs) -> asyncio.Queue:
        """An agent whose calls, once answered, wait in the queue."""
        agent = await self.agent(**kwargs)
        answered: asyncio.Queue = asyncio.Queue()

        async def answer(call) -> None:
            await call.answer()
            answered.put_nowait(call)

        tasks = []
        agent.on_incoming(lambda call: tasks.append(asyncio.create_task(answer(call))))
        return answered

    async def call_to_human(self, **kwargs):
        answered = await self.answering_agent()
        here = self.ours.invite(f"sip:human@127.0.0.1:{self.port}", from_user="ann", **kwargs)
        await within(here.wait_answered())
        there = await within(answered.get())
        await there.wait_established(8)
        return here, there


async def pump(call, secs: float, pcm: np.ndarray | None = None) -> np.ndarray:
    """Let a baresip call speak (a tone, or nothing) and listen for so long."""
    loop = asyncio.get_running_loop()
    due, heard = loop.time(), []
    if pcm is not None:
        # A cushion, so that this test's own delays leave no hole.
        call.audio.write(pcm[:800].tobytes())
    for start in range(0, int(secs * 8000), 160):
        if pcm is not None:
            call.audio.write(pcm[start % len(pcm) :][:160].tobytes())
        heard.append(call.audio.read(BLOCK * 10))
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))
    return np.frombuffer(b"".join(heard), np.int16)


def loudness(pcm: np.ndarray) -> float:
    return float(np.sqrt(np.mean(pcm.astype(float) ** 2))) if len(pcm) else 0.0


def pitch(pcm: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * 8000 / len(pcm))


async def resumed(call) -> None:
    """Take a baresip call off hold; it refuses while the ACK of its hold is under way."""
    while True:
        try:
            return await call.resume()
        except baresip.BaresipError as refused:
            if "retry shortly" not in str(refused):
                raise
        await asyncio.sleep(0.02)


async def closed(call) -> None:
    """Wait until a baresip call is over."""
    done = asyncio.Event()
    call.on(lambda event: done.set() if call.state is baresip.CallState.CLOSED else None)
    if call.state is not baresip.CallState.CLOSED:
        await done.wait()
