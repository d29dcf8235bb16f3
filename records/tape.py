"""Measures a call on its recording: what the caller heard is the truth."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from records.percentiles import Percentiles
from records.speech_spans import find_speech
from records.tape_report import Interruption, Span, TapeReport, TapeTurn
from records.wav import MAX_RATE_HZ, MIN_RATE_HZ, TapeError, read_stereo

DEAD_AIR_SECS = 2.0
YIELD_SECS = 2.0

_Spans = Sequence[tuple[int, int]]


def tape_report(path: str | Path) -> TapeReport:
    """Measure a stereo WAV, left the caller, right the bot. Blocks: 5 minutes take about 20 ms.

    Raises:
        TapeError: If it is no 16-bit PCM or 8-bit G.711 stereo WAV of 8 to 48 kHz.
    """
    return measure_tape(*read_stereo(path))


def measure_tape(caller: np.ndarray, bot: np.ndarray, rate_hz: int) -> TapeReport:
    """Measure both sides of a call.

    A turn is a caller who fell silent and a bot that began next, unless the bot talked through the
    caller's words. An interruption is a caller who began while the bot spoke, where the bot fell
    silent (for 0.4 s or more) before the caller did or within ``YIELD_SECS``; else the bot talked
    on. Of several sounds of the caller in the same words of the bot the first interrupts.

    Args:
        caller: int16, one sample for one of ``bot``.
        bot: int16.
        rate_hz: Samples a second, 8000 to 48000.

    Raises:
        TapeError: If the sides do not fit each other, or are not int16.
    """
    _check(caller, bot, rate_hz)
    left, right = find_speech(caller, rate_hz), find_speech(bot, rate_hz)
    callers, bots = _pairs(left.spans), _pairs(right.spans)
    yielded, talked_over = _interruptions(callers, bots, rate_hz)
    turns = _turns(callers, bots, talked_over)
    heard = [_secs(b - c, rate_hz) for c, b in turns]
    silenced = [_secs(b - c, rate_hz) for c, b in yielded]
    return TapeReport(
        rate_hz=rate_hz,
        duration_secs=_secs(len(caller), rate_hz),
        caller_spans=_in_secs(callers, rate_hz),
        bot_spans=_in_secs(bots, rate_hz),
        turns=[
            TapeTurn(
                caller_ended_at=_secs(c, rate_hz), bot_started_at=_secs(b, rate_hz), heard_secs=secs
            )
            for (c, b), secs in zip(turns, heard, strict=True)
        ],
        interruptions=[
            Interruption(
                caller_started_at=_secs(c, rate_hz), bot_silent_at=_secs(b, rate_hz), secs=secs
            )
            for (c, b), secs in zip(yielded, silenced, strict=True)
        ],
        talked_over=_in_secs(talked_over, rate_hz),
        dead_air=_in_secs(_dead_air(callers, bots, len(caller), rate_hz), rate_hz),
        overlap_secs=_secs(_overlap(callers, bots), rate_hz),
        heard=Percentiles.of(heard),
        fell_silent=Percentiles.of(silenced),
        caller_noise_dbfs=left.noise_dbfs,
        bot_noise_dbfs=right.noise_dbfs,
    )


def _check(caller: np.ndarray, bot: np.ndarray, rate_hz: int) -> None:
    for side, samples in (("caller", caller), ("bot", bot)):
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise TapeError(
                "wrong_format", f"{side}: {samples.ndim}-d {samples.dtype}, not 1-d int16"
            )
    if len(caller) != len(bot):
        raise TapeError("wrong_format", f"caller has {len(caller)} samples, bot {len(bot)}")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise TapeError("wrong_rate", f"{rate_hz} Hz, not {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")


def _interruptions(
    callers: _Spans, bots: _Spans, rate_hz: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where the caller began and the bot was silent; and the words that the bot talked through."""
    yielded: list[tuple[int, int]] = []
    talked_over: list[tuple[int, int]] = []
    at = 0
    for began, ended in callers:
        while at < len(bots) and bots[at][1] < began:
            at += 1
        if at == len(bots):
            break
        bot_began, bot_ended = bots[at]
        if bot_began >= began:
            continue
        if bot_ended > ended and bot_ended - began > YIELD_SECS * rate_hz:
            talked_over.append((began, ended))
        elif not yielded or yielded[-1][1] != bot_ended:
            yielded.append((began, bot_ended))
    return yielded, talked_over


def _turns(callers: _Spans, bots: _Spans, talked_over: _Spans) -> list[tuple[int, int]]:
    """The caller's last and the bot's first sample of each answer."""
    ignored = set(talked_over)
    asked = [span for span in callers if span not in ignored]
    turns: list[tuple[int, int]] = []
    at, open_end = 0, None
    for bot_began, bot_ended in bots:
        while at < len(asked) and asked[at][0] < bot_began:
            open_end = asked[at][1]
            at += 1
        if open_end is not None and open_end < bot_began:
            turns.append((open_end, bot_began))
        if open_end is None or bot_ended > open_end:
            # Answered, or talked over to the end: what follows is no wait.
            open_end = None
    return turns


def _dead_air(callers: _Spans, bots: _Spans, length: int, rate_hz: int) -> list[tuple[int, int]]:
    silent: list[tuple[int, int]] = []
    until = 0
    for began, ended in [*sorted([*callers, *bots]), (length, length)]:
        if began - until > DEAD_AIR_SECS * rate_hz:
            silent.append((until, began))
        until = max(until, ended)
    return silent


def _overlap(callers: _Spans, bots: _Spans) -> int:
    both = i = j = 0
    while i < len(callers) and j < len(bots):
        both += max(0, min(callers[i][1], bots[j][1]) - max(callers[i][0], bots[j][0]))
        if callers[i][1] < bots[j][1]:
            i += 1
        else:
            j += 1
    return both


def _pairs(spans: np.ndarray) -> list[tuple[int, int]]:
    return [(int(began), int(ended)) for began, ended in spans]


def _in_secs(spans: Iterable[tuple[int, int]], rate_hz: int) -> list[Span]:
    return [Span(start=_secs(began, rate_hz), end=_secs(ended, rate_hz)) for began, ended in spans]


def _secs(samples: int, rate_hz: int) -> float:
    return round(samples / rate_hz, 6)
