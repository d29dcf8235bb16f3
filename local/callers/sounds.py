"""Tells music from speech, and one voice from another, on a telephone line."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from local.callers.listener import RATE_HZ, level_dbfs

SURE_SECS = 0.7
"""How long notes have been playing when ``MusicDetector`` first says so, about."""

_FRAME_DBFS = -45.0
_SPECTRUM, _APART = 512, 4
_ALIKE = 0.9
_WINDOW, _ENOUGH = 40, 20
_IS_MUSIC, _IS_NO_MUSIC = 0.5, 0.3
_QUIET_FRAMES = 30
_PITCH_FRAME, _PITCH_STEP, _PITCH_FFT = 400, 160, 2048
_LOWEST_HZ, _HIGHEST_HZ = 65, 300
_PERIODIC = 0.6
_PITCH_FRAMES = 12
_SAME_VOICE = 1.18


@dataclass
class Music:
    """A stretch of music or tone.

    Parameters:
        started_at: Seconds on the monotonic clock.
        ended_at: When it was last heard, same clock.
    """

    started_at: float
    ended_at: float

    @property
    def secs(self) -> float:
        """How long."""
        return self.ended_at - self.started_at


class MusicDetector:
    """Hears whether notes are being held: frames of 20 ms in, ``playing`` out.

    The spectrum of held notes looks the same 80 ms later, that of speech never does for long: of
    frame pairs more alike than 0.9, hold music and tones have over 70 %, speech has under 15 %.
    It takes about 0.7 s to be sure.
    """

    def __init__(self):
        """Initialize in silence."""
        self.playing = False
        self._samples = np.zeros(_SPECTRUM, np.float64)
        self._spectra: deque[np.ndarray | None] = deque(maxlen=_APART + 1)
        self._alike: deque[bool] = deque(maxlen=_WINDOW)
        self._quiet = 0
        self._taper = np.hanning(_SPECTRUM)

    @property
    def sounding(self) -> bool:
        """Whether the last frame could be heard."""
        return self._quiet == 0

    def hear(self, pcm: np.ndarray) -> bool:
        """Take the next 20 ms, int16 at 8 kHz; whether music is playing."""
        self._samples = np.concatenate([self._samples, pcm])[-_SPECTRUM:]
        self._spectra.append(self._spectrum(pcm))
        now, before = self._spectra[-1], self._spectra[0]
        if now is None:
            self._quiet += 1
        else:
            self._quiet = 0
        if now is not None and before is not None and len(self._spectra) > _APART:
            self._alike.append(float(now @ before) > _ALIKE)
        if self._quiet > _QUIET_FRAMES:
            self._alike.clear()
            self.playing = False
        elif len(self._alike) >= _ENOUGH:
            share = sum(self._alike) / len(self._alike)
            self.playing = share >= (_IS_NO_MUSIC if self.playing else _IS_MUSIC)
        return self.playing

    def _spectrum(self, pcm: np.ndarray) -> np.ndarray | None:
        """Magnitudes of the last 64 ms, of length 1; None in silence."""
        if level_dbfs(pcm) < _FRAME_DBFS:
            return None
        magnitudes = np.abs(np.fft.rfft(self._samples * self._taper))
        return magnitudes / (np.linalg.norm(magnitudes) + 1e-9)


def pitch_hz(pcm: np.ndarray) -> float | None:
    """The median pitch of speech, int16 at 8 kHz; None if there is too little of it."""
    taper = np.hanning(_PITCH_FRAME)
    shape = _autocorrelation(taper)
    first, last = RATE_HZ // _HIGHEST_HZ, RATE_HZ // _LOWEST_HZ
    found: list[float] = []
    for start in range(0, len(pcm) - _PITCH_FRAME, _PITCH_STEP):
        frame = pcm[start : start + _PITCH_FRAME].astype(np.float64)
        if level_dbfs(frame) < -35:
            continue
        likeness = _autocorrelation((frame - frame.mean()) * taper) / shape
        lag = first + int(np.argmax(likeness[first:last]))
        if likeness[lag] > _PERIODIC * likeness[0]:
            found.append(RATE_HZ / lag)
    return float(np.median(found)) if len(found) >= _PITCH_FRAMES else None


def same_voice(one_hz: float, other_hz: float) -> bool:
    """Whether two pitches may be of one speaker."""
    return max(one_hz, other_hz) / min(one_hz, other_hz) < _SAME_VOICE


def _autocorrelation(frame: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft(frame, _PITCH_FFT)) ** 2
    return np.fft.irfft(power)[: RATE_HZ // _LOWEST_HZ + 1]
