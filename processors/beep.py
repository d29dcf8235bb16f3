"""Hears an answering machine's beep in the audio itself. Pure: samples in, beeps out."""

from dataclasses import dataclass

import numpy as np

LOWEST_HZ, HIGHEST_HZ = 350.0, 2200.0
SHORTEST_SECS, LONGEST_SECS = 0.2, 3.0
FRAME_SECS = 0.02
FFT_SECS = 0.064
# Of the power between 200 and 3400 Hz, this much lies within 30 Hz of the strongest frequency: a
# vowel has harmonics, music has chords, a dial or ringing tone has two frequencies.
PURITY = 0.85
SPREAD_HZ = 30.0
# A voice or an instrument glides; a beep does not.
DRIFT_HZ = 12.0
QUIETEST_DBFS = -45.0
# What may be missing at an edge, which the window smears.
LOST_FRAMES = 1


@dataclass(frozen=True)
class Beep:
    """One beep that is over.

    Parameters:
        hz: Its frequency.
        secs: Its length.
    """

    hz: float
    secs: float


class BeepDetector:
    """Finds single tones of 350 to 2200 Hz that last 0.2 to 3 s and then stop.

    Works on frames of 20 ms with a window of 64 ms behind each. A tone that goes on beyond 3 s is
    a fax, a dial tone or a test signal, and no beep; nor is one that is followed at once by
    another frequency, as in the three tones before "the number you have dialled".
    """

    def __init__(self, rate_hz: int = 16000):
        """Initialize for 16-bit mono PCM at ``rate_hz``, at least 8000."""
        self._size = int(rate_hz * FFT_SECS)
        self._step = int(rate_hz * FRAME_SECS)
        self._window = np.hanning(self._size).astype(np.float32)
        hz = np.fft.rfftfreq(self._size, 1 / rate_hz)
        self._hz = hz
        self._phone = (hz >= 200) & (hz <= 3400)
        self._near = max(1, round(SPREAD_HZ * FFT_SECS))
        self._past = np.zeros(self._size, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._quietest = (32768 * 10 ** (QUIETEST_DBFS / 20)) ** 2
        self._tones: list[float] = []
        self._lost = 0
        self._follows_a_tone = False

    def hear(self, pcm: bytes) -> Beep | None:
        """Take the next samples, of any length; gives the beep that has just ended, if any."""
        samples = np.frombuffer(pcm, np.int16).astype(np.float32)
        self._rest = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        heard: Beep | None = None
        while len(self._rest) >= self._step:
            frame, self._rest = self._rest[: self._step], self._rest[self._step :]
            self._past = np.concatenate((self._past[self._step :], frame))
            heard = self._follow(self._tone(frame)) or heard
        return heard

    def _tone(self, frame: np.ndarray) -> float | None:
        """The frequency of a pure tone in the window; None where there is none."""
        if float(np.dot(frame, frame)) < self._quietest * len(frame):
            return None
        spectrum = np.fft.rfft(self._past * self._window)
        power = (spectrum.real**2 + spectrum.imag**2) * self._phone
        peak = int(np.argmax(power))
        around = power[max(0, peak - self._near) : peak + self._near + 1]
        if float(around.sum()) < PURITY * float(power.sum()):
            return None
        hz = _between(power, peak) * float(self._hz[1])
        return hz if LOWEST_HZ <= hz <= HIGHEST_HZ else None

    def _follow(self, tone: float | None) -> Beep | None:
        tones = self._tones
        if tone is not None and (not tones or abs(tone - np.median(tones)) <= DRIFT_HZ):
            tones.append(tone)
            self._lost = 0
            return None
        self._lost += 1
        if tones and self._lost <= LOST_FRAMES:
            return None
        follows, self._follows_a_tone = self._follows_a_tone, tone is not None and len(tones) > 2
        self._tones = [tone] if tone is not None else []
        self._lost = 0
        # The window is full of the tone only a moment behind its beginning.
        secs = len(tones) * FRAME_SECS + FFT_SECS / 2
        if not tones or tone is not None or follows or not SHORTEST_SECS <= secs <= LONGEST_SECS:
            return None
        return Beep(round(float(np.median(tones)), 1), round(secs, 2))


def _between(power: np.ndarray, peak: int) -> float:
    """The peak's place between the bins, by a parabola through the logarithms."""
    if not 0 < peak < len(power) - 1 or min(power[peak - 1], power[peak + 1]) <= 0:
        return float(peak)
    left, middle, right = np.log(power[peak - 1 : peak + 2])
    return peak + 0.5 * float(left - right) / float(left - 2 * middle + right)
