"""Makes any audio sound like a telephone."""

import numpy as np
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.frames.frames import FilterControlFrame

from records.g711 import ULAW

PHONE_RATE_HZ = 8000
BAND_HZ = (300.0, 3400.0)
TAPS_PER_STEP = 64

_LEVELS = np.unique(ULAW).astype(np.int32)
_BORDERS = (_LEVELS[1:] + _LEVELS[:-1]) / 2


class PhoneFilter(BaseAudioFilter):
    """Sends audio through 300 to 3400 Hz, 8 kHz and μ-law, and back to its own rate.

    For the input or the output of any Pipecat transport. 16-bit mono PCM at a multiple of 8 kHz;
    adds 8 ms, and gives back as much as it takes.
    """

    def __init__(self):
        self._step = 1
        self._phase = 0
        self._down = self._up = _Convolver(np.ones(1))

    async def start(self, sample_rate: int):
        """Prepare for audio of ``sample_rate`` Hz.

        Raises:
            ValueError: If the rate is no multiple of 8000.
        """
        self._step, rest = divmod(sample_rate, PHONE_RATE_HZ)
        if rest:
            raise ValueError(f"{sample_rate} Hz is no multiple of {PHONE_RATE_HZ} Hz")
        self._phase = 0
        self._down = _Convolver(_band_pass(sample_rate, self._step))
        self._up = _Convolver(_band_pass(sample_rate, self._step) * self._step)

    async def stop(self):
        """Nothing to release."""

    async def process_frame(self, frame: FilterControlFrame):
        """No settings."""

    async def filter(self, audio: bytes) -> bytes:
        """The same audio, as a phone would give it."""
        narrow = self._down(np.frombuffer(audio, np.int16).astype(np.float64))
        kept = slice(-self._phase % self._step, None, self._step)
        coded = np.zeros(len(narrow))
        coded[kept] = _LEVELS[np.searchsorted(_BORDERS, narrow[kept])]
        self._phase = (self._phase + len(narrow)) % self._step
        return np.clip(self._up(coded), -32768, 32767).astype(np.int16).tobytes()


class _Convolver:
    """A filter that remembers what went before."""

    def __init__(self, taps: np.ndarray):
        self._taps = taps
        self._past = np.zeros(len(taps) - 1)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        joined = np.concatenate((self._past, samples))
        self._past = joined[len(samples) :]
        return np.convolve(joined, self._taps, "valid")


def _band_pass(rate_hz: int, step: int) -> np.ndarray:
    """A windowed-sinc filter, linear in phase."""
    taps = TAPS_PER_STEP * step + 1
    at = np.arange(taps) - (taps - 1) / 2
    low, high = (2 * edge / rate_hz for edge in BAND_HZ)
    return (high * np.sinc(high * at) - low * np.sinc(low * at)) * np.hamming(taps)
