"""A far end by real SIP: answers, greets, replies to utterances, falls silent when spoken over."""

import asyncio

import numpy as np

from local.callers.listener import Listener
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from local.sip.pacer import PacedSender


def tone(secs: float, level: int = 8000) -> np.ndarray:
    """A sound that counts as speech, 16-bit at 8 kHz."""
    return (level * np.sin(np.arange(int(secs * 8000)) * 0.6)).astype(np.int16)


class FarEnd:
    """Takes every call on a port of its own.

    Parameters:
        calls: The calls taken, in order.
        digits: Keys it was sent.
        called: Set at the first call.
    """

    def __init__(
        self, *, greeting: np.ndarray, reply: np.ndarray | None = None, ring: bool = False
    ):
        self._greeting, self._reply, self._ring = greeting, reply, ring
        self.calls: list[SipCall] = []
        self.digits: list[str] = []
        self.called = asyncio.Event()
        self._senders: list[PacedSender] = []

    async def __aenter__(self) -> "FarEnd":
        self._endpoint = await SipEndpoint.open(on_invite=self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.stop()
        await self._endpoint.close()

    @property
    def address(self) -> str:
        host, port = self._endpoint.address
        return f"{host}:{port}"

    async def _take(self, call: SipCall) -> None:
        self.calls.append(call)
        self.called.set()
        call.ringing()
        if self._ring:
            return
        sender = PacedSender(call.media)
        self._senders.append(sender)
        listener = Listener(silence_secs=0.2)
        playing = []

        def hear(frame: np.ndarray, at: float) -> None:
            if listener.hear(frame, at) and self._reply is not None:
                playing.append(sender.play(self._reply))
            elif listener.speaking_since is not None:
                sender.flush()

        call.media.on_audio = hear
        call.media.on_digit = self.digits.append
        await call.answer()
        sender.start()
        playing.append(sender.play(self._greeting))
        await asyncio.sleep(0)
