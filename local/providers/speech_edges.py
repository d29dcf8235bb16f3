"""The edges and words of synthesised speech: silence trimmed, word times, PCM."""

from dataclasses import dataclass

import numpy as np

_LOUD = 0.01
_LEAD_SECS = 0.01
_PUNCTUATION = "^$_.,?!;:"


@dataclass(frozen=True)
class Mark:
    """One phoneme and when it sounds, in seconds."""

    phoneme: str
    start: float
    end: float


def trim_lead(samples: np.ndarray, rate_hz: int) -> tuple[np.ndarray, float | None]:
    """Audio from 10 ms before the first sound, and the seconds cut; None: silence only."""
    loud = np.flatnonzero(np.abs(samples) > _LOUD)
    if not len(loud):
        return samples[:0], None
    begin = max(0, int(loud[0]) - int(_LEAD_SECS * rate_hz))
    return samples[begin:], begin / rate_hz


def trim_tail(samples: np.ndarray, rate_hz: int, *, last: bool) -> np.ndarray:
    """Audio up to a short rest after the last sound: 120 ms before a pause, else 40 ms."""
    loud = np.flatnonzero(np.abs(samples) > _LOUD)
    keep_secs = 0.12 if last else 0.04
    return samples[: (int(loud[-1]) if len(loud) else 0) + int(keep_secs * rate_hz)]


def word_times(
    words: list[str], marks: list[Mark], offset_secs: float, total_secs: float
) -> tuple[list[float], list[float]]:
    """Start and end of each word: from the phonemes if they match the words, else by letters.

    Args:
        words: As written.
        marks: Phonemes with their times, counted from before the lead was trimmed.
        offset_secs: What was trimmed.
        total_secs: Length of the audio that is left.
    """
    groups: list[list[Mark]] = [[]]
    for mark in marks:
        if mark.phoneme == " ":
            groups.append([])
        elif mark.phoneme not in _PUNCTUATION:
            groups[-1].append(mark)
    groups = [group for group in groups if group]
    if len(groups) != len(words):
        return spread(words, 0.0, total_secs)

    def clamp(secs: float) -> float:
        return round(min(max(secs - offset_secs, 0.0), total_secs), 3)

    return [clamp(group[0].start) for group in groups], [clamp(group[-1].end) for group in groups]


def spread(words: list[str], start: float, end: float) -> tuple[list[float], list[float]]:
    """Word times by the number of letters."""
    letters = sum(len(word) for word in words) or 1
    starts, ends, at = [], [], start
    for word in words:
        starts.append(round(at, 3))
        at += (end - start) * len(word) / letters
        ends.append(round(at, 3))
    return starts, ends


def to_pcm(samples: np.ndarray) -> bytes:
    """Floats of ±1 → 16-bit little endian."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
