"""Phone → exchange → echo bot → phone: how long a tone takes to come back."""

import asyncio
import random

import numpy as np

from local.bench.figures import Figure, ratio
from local.bench.line import ECHO, PLAIN_ECHO, Line
from local.sip.pacer import AUDIBLE, PacedSender

RATE_HZ = 8000
_TONE_SECS = 0.12
_LONGEST_SECS = 0.7
_ANSWER_SECS = 15.0
_SETTLE_SECS = 2.0


async def measure_echo(line: Line, *, calls: int = 10, bursts: int = 6) -> list[Figure]:
    """Tone bursts on our echo bot and on plain Pipecat's, a call each in turn.

    Many short calls: how the clocks of phone, bridge and bot lie is drawn anew with each, ±15 ms.
    """
    ours: list[float] = []
    theirs: list[float] = []
    async with line.plain_bot("echo"):
        for _ in range(calls):
            ours += await burst_call(line, ECHO, bursts)
            theirs += await burst_call(line, PLAIN_ECHO, bursts)
    echo = Figure("echo, Switchboard", "ms", ours, 115)
    plain = Figure("echo, Pipecat's transport defaults", "ms", theirs)
    return [echo, plain, ratio("echo, Switchboard / Pipecat's defaults", echo, plain, 0.5)]


async def burst_call(line: Line, number: str, bursts: int, *, keys: str = "") -> list[float]:
    """One call to an echo: milliseconds that each tone takes to come back.

    Args:
        line: Where.
        number: The echo's.
        bursts: How many tones.
        keys: Pressed before; no audio is sent while they sound.
    """
    call = line.endpoint.invite(line.uri(number), from_user="+15550001")
    onsets = _Onsets()
    call.media.on_audio = onsets.hear
    sender = PacedSender(call.media)
    try:
        async with asyncio.timeout(_ANSWER_SECS):
            await call.wait_answered()
        sender.start()
        settle = np.zeros(int(_SETTLE_SECS * RATE_HZ), np.int16)
        await sender.play(settle)
        if keys:
            await call.media.send_digits(keys)
            await sender.play(settle)
        return [await _burst(sender, onsets, seed) for seed in range(bursts)]
    finally:
        sender.stop()
        await call.hangup()


async def _burst(sender: PacedSender, onsets: "_Onsets", seed: int) -> float:
    """One tone, at another phase of the 20 ms grid each time; milliseconds until it is back."""
    lead = random.Random(seed).randrange(160)
    tone = np.arange(int(_TONE_SECS * RATE_HZ)) * (2 * np.pi * 1000 / RATE_HZ)
    pcm = np.concatenate([np.zeros(lead), 12000 * np.sin(tone)]).astype(np.int16)
    onsets.listen()
    silence = np.zeros(int((_LONGEST_SECS - _TONE_SECS) * RATE_HZ), np.int16)
    playback = sender.play(np.concatenate([pcm, silence]))
    heard_at = await onsets.heard()
    await playback
    assert playback.first_audible_at is not None
    return 1000 * (heard_at - playback.first_audible_at)


class _Onsets:
    """Waits for the first audible sample behind silence, by the kernel's arrival time."""

    def __init__(self):
        self._heard: asyncio.Future[float] | None = None

    def listen(self) -> None:
        self._heard = asyncio.get_running_loop().create_future()

    async def heard(self) -> float:
        assert self._heard
        async with asyncio.timeout(5):
            return await self._heard

    def hear(self, pcm: np.ndarray, at: float) -> None:
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 4 * AUDIBLE)
        if len(loud) and self._heard and not self._heard.done():
            self._heard.set_result(at + int(loud[0]) / RATE_HZ)
