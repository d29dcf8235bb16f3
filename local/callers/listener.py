"""Finds the far end's utterances in what arrives on the line, and when each began and ended."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

RATE_HZ = 8000
_GATE_RMS = 32768 * 10 ** (-42 / 20)
_AUDIBLE = 32768 * 10 ** (-40 / 20)
_ONSET_FRAMES, _ONSET_OF = 3, 5
_LOOK_BACK = 15


@dataclass(frozen=True)
class Utterance:
    """One stretch of speech.

    Parameters:
        started_at: First audible sample, seconds on the monotonic clock.
        ended_at: Last audible sample, same clock.
        pcm: 16-bit mono at 8 kHz, with up to 0.3 s before the first sound.
    """

    started_at: float
    ended_at: float
    pcm: np.ndarray


@dataclass
class _Frame:
    at: float
    pcm: np.ndarray
    loudest: int
    voiced: bool


@dataclass
class _Speech:
    started_at: float
    ended_at: float
    frames: list[_Frame] = field(default_factory=list)


class Listener:
    """Speech detection on one line: frames and their arrival times in, utterances out.

    Speech begins when three of five frames are louder than −42 dBFS RMS; its first sample is then
    looked for backwards, so that a soft onset is not late. It ends at the last sample louder than
    −40 dBFS that is followed by ``silence_secs`` without one.
    """

    def __init__(self, *, silence_secs: float = 0.5):
        """Initialize a listener.

        Args:
            silence_secs: Silence that separates two utterances.
        """
        self._silence_secs = silence_secs
        self._recent: deque[_Frame] = deque(maxlen=_LOOK_BACK)
        self._speech: _Speech | None = None
        self._last_voiced_at: float | None = None

    @property
    def speaking_since(self) -> float | None:
        """When the running utterance began; None in silence."""
        return self._speech.started_at if self._speech else None

    @property
    def last_voiced_at(self) -> float | None:
        """The last audible sample of speech so far; None if there was none."""
        return self._last_voiced_at

    def hear(self, pcm: np.ndarray, at: float) -> Utterance | None:
        """Take the next 20 ms.

        Args:
            pcm: int16 at 8 kHz.
            at: Arrival of its first sample, seconds on the monotonic clock.

        Returns:
            The utterance that is now known to be over, if any.
        """
        frame = _frame(pcm, at)
        self._recent.append(frame)
        if self._speech is None:
            self._look_for_onset()
            return None
        self._speech.frames.append(frame)
        if frame.voiced:
            self._extend(frame)
        elif at - self._speech.ended_at >= self._silence_secs:
            return self.cut()
        return None

    def cut(self, *, ends_before: float | None = None) -> Utterance | None:
        """End the running utterance here, for instance because the call ended.

        Args:
            ends_before: Nothing from this time on was speech; an utterance that began later was
                none.
        """
        speech, self._speech = self._speech, None
        if speech is None:
            return None
        self._recent.clear()
        if ends_before is not None:
            voiced = [f for f in speech.frames if f.voiced and f.at < ends_before]
            if not voiced or speech.started_at >= ends_before:
                return None
            speech.ended_at = self._last_voiced_at = voiced[-1].at
        kept = [frame.pcm for frame in speech.frames if frame.at <= speech.ended_at + 0.1]
        return Utterance(speech.started_at, speech.ended_at, np.concatenate(kept))

    def _look_for_onset(self) -> None:
        recent = list(self._recent)
        first = max(0, len(recent) - _ONSET_OF)
        if sum(frame.voiced for frame in recent[first:]) < _ONSET_FRAMES:
            return
        onset = next(i for i in range(first, len(recent)) if recent[i].voiced)
        while onset > 0 and recent[onset - 1].loudest > _AUDIBLE:
            onset -= 1
        begin = recent[onset]
        started_at = begin.at + int(np.argmax(_audible(begin.pcm))) / RATE_HZ
        self._speech = _Speech(started_at, started_at, recent)
        for frame in recent[onset:]:
            if frame.voiced:
                self._extend(frame)

    def _extend(self, frame: _Frame) -> None:
        assert self._speech is not None
        audible = np.flatnonzero(_audible(frame.pcm))
        last = int(audible[-1]) if len(audible) else 0
        self._speech.ended_at = self._last_voiced_at = frame.at + last / RATE_HZ


def level_dbfs(pcm: np.ndarray) -> float:
    """RMS level of 16-bit samples, −96 at least."""
    if not len(pcm):
        return -96.0
    rms = float(np.sqrt(np.mean(np.square(pcm.astype(np.float64)))))
    return max(-96.0, 20 * float(np.log10(rms / 32768 + 1e-9)))


def _frame(pcm: np.ndarray, at: float) -> _Frame:
    wide = pcm.astype(np.float64)
    rms = float(np.sqrt(np.mean(np.square(wide)))) if len(wide) else 0.0
    return _Frame(at, pcm, int(np.max(np.abs(wide), initial=0)), rms > _GATE_RMS)


def _audible(pcm: np.ndarray) -> np.ndarray:
    return np.abs(pcm.astype(np.int32)) > _AUDIBLE
