"""Warm transfers: how long until both talk, how even the hold music is, how late the voices are."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import numpy as np
import psutil
from livekit.api import LiveKitAPI
from livekit.protocol.room import ListRoomsRequest

from local.bench.echo import burst_call
from local.bench.figures import Figure
from local.bench.line import ECHO, RECEPTIONIST, Line
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.pacer import AUDIBLE, PacedSender
from local.sip.registration import Registration

RATE_HZ = 8000
CALLER = "+15550003"
DESK = "+15550180"
_LIMIT_SECS = 25.0
_TONE_SECS = 0.12
_BURST_SECS = 0.8
# While a key sounds (RFC 4733) a phone sends no audio, and the SIP bridge lets its timestamps stand
# still (livekit-sip's silence_filler.go): the bot's jitter buffer takes what follows for late, and
# is longer by the key for about ten seconds.
_SETTLE_SECS = 12.0
# Of what is heard while waiting: quieter than this for longer than that is a gap.
_GAP_DBFS, _GAP_SECS = -60.0, 0.06


@dataclass
class Desk:
    """A phone of the desk, registered; its calls wait in ``rings``."""

    endpoint: SipEndpoint
    rings: "asyncio.Queue[SipCall]" = field(default_factory=asyncio.Queue)

    @classmethod
    async def open(cls, line: Line, stack: AsyncExitStack) -> "Desk":
        """Register until ``stack`` closes."""
        rings: asyncio.Queue[SipCall] = asyncio.Queue()

        async def take(call: SipCall) -> None:
            call.ringing()
            rings.put_nowait(call)
            await call.wait_ended()

        endpoint = await SipEndpoint.open(on_invite=take, user_agent="switchboard-bench")
        stack.push_async_callback(endpoint.close)
        login = next(p for p in line.stack.address.phones if p["number"] == DESK)
        credentials = Credentials(login["user"], login["password"])
        record = f"sip:{DESK}@{line.stack.address.sip}"
        registration = Registration(endpoint, record, credentials)
        await registration.start()
        stack.push_async_callback(registration.stop)
        return cls(endpoint, rings)


class End:
    """One phone of a bridged call: what it sends, and what it hears with its time."""

    def __init__(self, call: SipCall):
        self.call = call
        self.sender = PacedSender(call.media)
        self._heard: list[tuple[float, np.ndarray]] = []
        self._onset: asyncio.Future[float] | None = None
        call.media.on_audio = self._hear

    def heard_since(self, at: float) -> np.ndarray:
        """Everything heard behind a moment."""
        return np.concatenate([pcm for when, pcm in self._heard if when >= at] or [_silence(0)])

    async def onset(self) -> float:
        """When the next sound behind silence began."""
        self._onset = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(_LIMIT_SECS):
            return await self._onset

    def _hear(self, pcm: np.ndarray, at: float) -> None:
        self._heard.append((at, pcm))
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 4 * AUDIBLE)
        if len(loud) and self._onset and not self._onset.done():
            self._onset.set_result(at + int(loud[0]) / RATE_HZ)


@dataclass
class Bridged:
    """One warm transfer that came about.

    Parameters:
        caller: The caller's phone.
        human: The desk's phone.
        answer_to_bridge_secs: From the key of the person to their first sound at the caller.
        hold_gap_secs: The longest silence inside the hold music.
    """

    caller: End
    human: End
    answer_to_bridge_secs: float
    hold_gap_secs: float

    async def hang_up(self) -> None:
        """The person hangs up; the caller's call ends by itself."""
        await self.human.call.hangup()
        async with asyncio.timeout(_LIMIT_SECS):
            await self.caller.call.wait_ended()
        self.caller.sender.stop()
        self.human.sender.stop()


async def bridge(
    line: Line, desk: Desk, caller: str = CALLER, *, hold_secs: float = 0.0
) -> Bridged:
    """Call the receptionist, press 0, let the desk accept by key, and wait until both talk.

    Args:
        line: Where.
        desk: Who answers.
        caller: The number that calls.
        hold_secs: How long the phone rings before it is answered.
    """
    call = line.endpoint.invite(line.uri(RECEPTIONIST), from_user=caller)
    here = End(call)
    async with asyncio.timeout(_LIMIT_SECS):
        await call.wait_answered()
    here.sender.start()
    await asyncio.sleep(0.5)
    await call.media.send_digits("0")
    async with asyncio.timeout(_LIMIT_SECS):
        ringing = await desk.rings.get()
    await asyncio.sleep(hold_secs)
    gap = _longest_gap(here.heard_since(time.monotonic() - hold_secs + 6)) if hold_secs > 8 else 0.0
    await ringing.answer()
    there = End(ringing)
    there.sender.start()
    await there.onset()  # the briefing begins
    await ringing.media.send_digits("1")
    accepted_at = time.monotonic()
    there.sender.play(_tone(_LIMIT_SECS))  # the person speaks from now on
    at = await _hears_tone(here, accepted_at)
    there.sender.flush()
    return Bridged(here, there, at - accepted_at, gap)


async def measure_transfers(line: Line, *, transfers: int = 5, bursts: int = 20) -> list[Figure]:
    """A few transfers, tone bursts both ways on each, and the same bursts on an echo call.

    An echo goes the way of a bridged voice, phone → room → bot → room → phone, without the bridge.
    """
    waits: list[float] = []
    gaps: list[float] = []
    early: list[float] = []
    ways: dict[str, list[float]] = {"caller": [], "person": []}
    async with AsyncExitStack() as stack:
        desk = await Desk.open(line, stack)
        echo = await burst_call(line, ECHO, bursts)
        echo_behind_key = await burst_call(line, ECHO, bursts // 2, keys="0")
        for number in range(transfers):
            bridged = await bridge(line, desk, hold_secs=12.0 if number == 0 else 0.0)
            waits.append(1000 * bridged.answer_to_bridge_secs)
            if number == 0:
                gaps.append(1000 * bridged.hold_gap_secs)
            if number == 2:
                early += await _one_way(bridged.caller, bridged.human, bursts // 2)
            if number == 3:
                early += await _one_way(bridged.human, bridged.caller, bursts // 2)
            if number < 2:
                await asyncio.sleep(_SETTLE_SECS)
                ways["caller"] += await _one_way(bridged.caller, bridged.human, bursts // 2)
                ways["person"] += await _one_way(bridged.human, bridged.caller, bursts // 2)
            await bridged.hang_up()
    base = float(np.median(echo))
    note = f"the way without a bridge, an echo: {base:.0f} ms"
    added = [late - base for way in ways.values() for late in way]
    return [
        Figure("transfer, key to the person's voice at the caller", "ms", waits, 1000),
        Figure("transfer, longest gap in the hold music", "ms", gaps, 100, "max"),
        Figure("bridge, caller to person", "ms", ways["caller"]),
        Figure("bridge, person to caller", "ms", ways["person"]),
        Figure("bridge, added one way", "ms", added, 60, note=note),
        Figure("bridge, in the first seconds behind a key", "ms", early),
        Figure("echo, in the first seconds behind a key", "ms", echo_behind_key),
    ]


async def soak_transfers(line: Line, *, calls: int = 50) -> list[Figure]:
    """Warm transfers in a row: rooms, sockets, processes and memory of the server stay flat."""
    server = psutil.Process(line.stack.children["server"].pid)
    exchange = psutil.Process(line.stack.children["exchange"].pid)
    counts: list[tuple[int, int, int]] = []
    memory: list[float] = []
    async with AsyncExitStack() as stack:
        desk = await Desk.open(line, stack)
        for number in range(calls):
            bridged = await bridge(line, desk, f"+1555{number:07d}")
            await bridged.hang_up()
            counts.append(await _settled(line, server, exchange))
            memory.append((server.memory_info().rss + exchange.memory_info().rss) / 2**20)
    first, last = counts[min(2, len(counts) - 1)], counts[-1]
    grown = [float(b - a) for a, b in zip(first, last, strict=True)]
    warm = memory[min(4, len(memory) - 1)]
    return [
        Figure(f"{calls} transfers, rooms left", "", [float(last[0])], 0.0, "max"),
        Figure("… processes more than after the third", "", [grown[1]], 0.0, "max"),
        Figure("… sockets more than after the third", "", [grown[2]], 0.0, "max"),
        Figure("… memory more than after the fifth", "MB", [memory[-1] - warm], 20.0, "max"),
    ]


async def _settled(
    line: Line, server: psutil.Process, exchange: psutil.Process
) -> tuple[int, int, int]:
    """Rooms, processes and sockets once the call's record is there and its process gone."""
    url = line.stack.livekit.url.replace("ws", "http", 1)
    key, secret = line.stack.livekit.api_key, line.stack.livekit.api_secret
    deadline = time.monotonic() + 10
    async with LiveKitAPI(url, key, secret) as livekit:
        while True:
            rooms = (await livekit.room.list_rooms(ListRoomsRequest())).rooms
            # The exchange holds a UDP socket for each phone's audio.
            sockets = len(exchange.net_connections("udp"))
            found = len(rooms), len(server.children(recursive=True)), sockets
            if not rooms or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.1)


async def _one_way(speaker: End, listener: End, bursts: int) -> list[float]:
    """Milliseconds from the first audible sample sent to the first one heard."""
    late: list[float] = []
    for _ in range(bursts):
        hearing = asyncio.ensure_future(listener.onset())
        playback = speaker.sender.play(np.concatenate([_tone(_TONE_SECS), _silence(_BURST_SECS)]))
        heard_at = await hearing
        await playback
        assert playback.first_audible_at is not None
        late.append(1000 * (heard_at - playback.first_audible_at))
    return late


async def _hears_tone(end: End, since: float) -> float:
    """When the tone, and not the music, first sounded."""
    deadline = time.monotonic() + _LIMIT_SECS
    while time.monotonic() < deadline:
        heard = end.heard_since(since)
        for start in range(0, len(heard) - 400, 80):
            if _is_tone(heard[start : start + 400]):
                return since + start / RATE_HZ
        await asyncio.sleep(0.02)
    raise TimeoutError("the person was not heard by the caller")


def _is_tone(pcm: np.ndarray) -> bool:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    at = round(1000 * len(pcm) / RATE_HZ)
    near = spectrum[at - 2 : at + 3].sum()
    return bool(near > 0.9 * spectrum.sum() and np.abs(pcm.astype(np.int32)).max() > 4000)


def _longest_gap(pcm: np.ndarray) -> float:
    """Seconds of the longest piece below the level of a gap; shorter ones are the music's own."""
    step = RATE_HZ // 100
    frames = pcm[: len(pcm) // step * step].reshape(-1, step).astype(float)
    quiet = np.sqrt((frames**2).mean(axis=1)) < 32768 * 10 ** (_GAP_DBFS / 20)
    longest = run = 0
    for is_quiet in quiet:
        run = run + 1 if is_quiet else 0
        longest = max(longest, run)
    return longest / 100 if longest / 100 > _GAP_SECS else 0.0


def _tone(secs: float) -> np.ndarray:
    at = np.arange(int(secs * RATE_HZ)) * (2 * np.pi * 1000 / RATE_HZ)
    return (12000 * np.sin(at)).astype(np.int16)


def _silence(secs: float) -> np.ndarray:
    return np.zeros(int(secs * RATE_HZ), np.int16)
