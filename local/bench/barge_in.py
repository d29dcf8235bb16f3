"""How fast a bot falls silent once the caller speaks over it: ours, and plain Pipecat's."""

import asyncio
import time
from collections.abc import Mapping

import numpy as np

from local.bench.figures import Figure, ratio
from local.bench.line import PLAIN_TALKER, TALKER, Line
from local.bench.voices import SHIFTS, spoken
from local.callers.phone import Phone

LINES = (
    "Stop, wait a moment please.",
    "Hello, can I ask you something?",
    "No, that is not what I meant.",
    "Excuse me, I have a question.",
)
_ROUNDS = 2
_SPREAD_SECS, _GOLDEN = 3.0, 0.618
_ANSWER_SECS = 15.0
_GAP_SECS = 0.4
_GIVE_UP_SECS = 6.0


async def measure_barge_in(line: Line, *, environ: Mapping[str, str]) -> list[Figure]:
    """The same lines in three voices over both bots, twice, a call each in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    utterances = [pcm for shift in SHIFTS for pcm in await spoken(LINES, environ, shift=shift)]
    utterances *= _ROUNDS
    for number, pcm in enumerate(utterances):
        # Spread over many words: where the story pauses, either bot seems to stop sooner.
        after_secs = 1.5 + _SPREAD_SECS * (_GOLDEN * number % 1)
        caller = f"+1555002{number:04}"
        ours.append(await _interrupt(line, TALKER, caller, pcm, after_secs))
        async with line.plain_bot("talk"):
            theirs.append(await _interrupt(line, PLAIN_TALKER, caller, pcm, after_secs))
    mine = Figure("interruption → bot silent, Switchboard", "ms", ours, 250)
    plain = Figure("interruption → bot silent, Pipecat's turn start", "ms", theirs)
    return [mine, plain, ratio("silent, Switchboard / Pipecat's turn start", mine, plain, 0.8)]


async def _interrupt(
    line: Line, number: str, caller: str, pcm: np.ndarray, after_secs: float
) -> float:
    """Milliseconds from the caller's first audible sample to the bot's last."""
    call = line.endpoint.invite(line.uri(number), from_user=caller)
    phone = Phone(call, silence_secs=_GAP_SECS)
    try:
        await phone.answered(_ANSWER_SECS)
        await phone.bot_speaks(since=0.0, for_secs=after_secs, within_secs=15)
        playback = await phone.say(pcm)
        assert playback.first_audible_at is not None
        ended_at = await _silent(phone, playback.first_audible_at)
        return 1000 * (ended_at - playback.first_audible_at)
    finally:
        await phone.hang_up()


async def _silent(phone: Phone, since: float) -> float:
    """The bot's last audible sample before the first silence of 0.4 s behind ``since``."""
    async with asyncio.timeout(_GIVE_UP_SECS):
        while True:
            ends = [u.ended_at for u in phone.heard if u.ended_at > since]
            if ends:
                return ends[0]
            quiet_since = phone.bot_last_voiced_at or 0.0
            if phone.bot_speaking_since is None and quiet_since <= since:
                return max(quiet_since, since)
            await asyncio.sleep(max(0.02, quiet_since + _GAP_SECS - time.monotonic()))
