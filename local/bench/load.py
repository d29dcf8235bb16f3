"""What a further call costs, and whether ten at once lose a packet."""

import asyncio
import time

import numpy as np

from local.bench.figures import Figure
from local.bench.line import ECHO, RECEPTIONIST, Line
from local.bench.processes import tree, usage
from local.callers.phone import Phone

_ANSWER_SECS = 20.0
_CALLS = 4
_ECHOES = 10
_IDLE_SECS = 10.0
_TALK_SECS = 15.0


async def measure_memory_and_idle_cpu(line: Line, question: np.ndarray) -> list[Figure]:
    """One call, then three more: each asks something, then stays silent on the line."""
    server = line.stack.children["server"].pid
    phones: list[Phone] = []
    try:
        phones.append(await _ask(line, 0, question))
        one = await asyncio.to_thread(lambda: usage(tree(server)))
        for number in range(1, _CALLS):
            phones.append(await _ask(line, number, question))
        processes = tree(server)
        before, began = await asyncio.to_thread(usage, processes), time.monotonic()
        # The line idles for as long as it is measured.
        await asyncio.sleep(_IDLE_SECS)
        after = await asyncio.to_thread(usage, processes)
        assert not any(phone.call.end for phone in phones), "a measured call has ended"
        idle = (after.cpu_secs - before.cpu_secs) / (time.monotonic() - began)
    finally:
        await asyncio.gather(*(phone.hang_up() for phone in phones))
    each = (after.pss_mb - one.pss_mb) / (_CALLS - 1)
    return [
        Figure(f"memory of each further call (PSS, {_CALLS} calls)", "MB", [each], 55),
        Figure("memory of the server with one call (PSS)", "MB", [one.pss_mb]),
        Figure(
            "CPU of a call idle on the line",
            "%",
            [100 * idle / _CALLS],
            12,
            note="of one core; the whole server, divided by its calls",
        ),
    ]


async def measure_ten_echoes(line: Line) -> list[Figure]:
    """Ten callers talk to the echo at once."""
    exchange = tree(line.stack.children["exchange"].pid)
    phones = [
        Phone.dial(line.endpoint, line.uri(ECHO), caller=f"+1555300{number:04}")
        for number in range(_ECHOES)
    ]
    try:
        await asyncio.gather(*(phone.answered(_ANSWER_SECS) for phone in phones))
        voice = np.random.default_rng(7).normal(0, 3000, int(_TALK_SECS * 8000)).astype(np.int16)
        before, began = usage(exchange), time.monotonic()
        await asyncio.gather(*(phone.say(voice) for phone in phones))
        busy = (usage(exchange).cpu_secs - before.cpu_secs) / (time.monotonic() - began)
    finally:
        await asyncio.gather(*(phone.hang_up() for phone in phones))
    lost = [float(phone.call.media.stats.lost) for phone in phones]
    return [
        Figure("packets lost on ten echo calls at once", "packets", [sum(lost)], 0),
        Figure("CPU of the exchange a call, at ten calls", "%", [100 * busy / _ECHOES], 1.5),
    ]


async def _ask(line: Line, number: int, question: np.ndarray) -> Phone:
    phone = Phone.dial(line.endpoint, line.uri(RECEPTIONIST), caller=f"+1555200{number:04}")
    await phone.answered(_ANSWER_SECS)
    await phone.bot_is_quiet(since=0.0, quiet_secs=0.7, within_secs=10)
    playback = await phone.say(question)
    since = playback.last_audible_at or time.monotonic()
    await phone.bot_is_quiet(since=since, quiet_secs=1.0, within_secs=10)
    return phone
