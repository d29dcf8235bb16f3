"""Music for who waits: a quiet arpeggio made here, so that it costs no licence and no file."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

FRAME_SECS = 0.02
FADE_IN_SECS = 1.5
FADE_OUT_SECS = 0.4
LEVEL_DBFS = -26.0

BAR_SECS = 2.0
NOTE_SECS = 0.25
DECAY_SECS = 0.55
# A phone passes 300 to 3400 Hz: the lowest note is E4, the highest partial lies below 3200 Hz.
PARTIALS = ((1, 1.0), (2, 0.35), (3, 0.12))
# Eight bars of eight notes, as MIDI numbers; each chord rises and comes back.
CHORDS = (
    (64, 67, 71, 76),  # Cmaj7 without its root
    (64, 69, 72, 76),  # Am
    (65, 69, 72, 77),  # F
    (67, 71, 74, 79),  # G
    (64, 67, 72, 76),  # C
    (64, 67, 71, 79),  # Em
    (65, 69, 74, 77),  # Dm
    (65, 67, 71, 74),  # G7
)
PATTERN = (0, 1, 2, 3, 2, 1, 2, 1)


class HoldMusic:
    """Gives hold music chunk by chunk: faded in, endless, faded out when told.

    One instance is one hearing: it begins where the piece begins. A bar is made when it is first
    needed, in about 10 ms, and kept for every later hearing at that rate.
    """

    def __init__(self, rate_hz: int, *, level_dbfs: float = LEVEL_DBFS):
        """Initialize the music; nothing is computed yet.

        Args:
            rate_hz: Sample rate, a multiple of 50 and at least 8000.
            level_dbfs: RMS of the piece, faded in, in dB below full scale.

        Raises:
            ValueError: If the rate does not give whole chunks, or cannot carry the music.
        """
        if rate_hz < 8000 or rate_hz % 50:
            raise ValueError(f"{rate_hz} Hz is no multiple of 50 from 8000 on")
        self._rate_hz = rate_hz
        self._level = 10 ** (level_dbfs / 20) * 32767
        self._gain = 0.0
        self._leaving = False

    def fade_out(self) -> None:
        """Let ``frames()`` fall silent over 0.4 s and then end."""
        self._leaving = True

    def frames(self) -> Iterator[bytes]:
        """Chunks of 20 ms, 16-bit mono PCM; ends only after ``fade_out()``."""
        size = int(self._rate_hz * FRAME_SECS)
        bar = 0
        while True:
            samples = _bar(self._rate_hz, bar % len(CHORDS))
            for start in range(0, len(samples), size):
                if self._leaving and self._gain <= 0:
                    return
                yield self._faded(samples[start : start + size])
            bar += 1

    def _faded(self, samples: np.ndarray) -> bytes:
        before, step = self._gain, FRAME_SECS / FADE_IN_SECS
        if self._leaving:
            step = -FRAME_SECS / FADE_OUT_SECS
        self._gain = min(1.0, max(0.0, before + step))
        gains = np.linspace(before, self._gain, len(samples))
        return (samples * (gains * self._level)).astype(np.int16).tobytes()


def _bar(rate_hz: int, number: int) -> np.ndarray:
    """One bar with what rings on from the one before; RMS about 1."""
    length = int(rate_hz * BAR_SECS)
    now, before = _plucked(rate_hz, CHORDS[number]), _plucked(rate_hz, CHORDS[number - 1])
    return now[:length] + before[length:]


@lru_cache(maxsize=2 * len(CHORDS))
def _plucked(rate_hz: int, chord: tuple[int, ...]) -> np.ndarray:
    """A bar's notes and the bar in which they die away: two bars long."""
    length = int(rate_hz * BAR_SECS)
    at = np.arange(length, dtype=np.float32) / rate_hz
    # Each note is silent to the last bit when the next bar ends.
    envelope = np.exp(-at / DECAY_SECS) * np.clip((BAR_SECS - at) / 0.1, 0, 1)
    envelope *= np.minimum(1.0, at / 0.008)
    notes = [_note(at, midi) * envelope for midi in chord]
    sound = np.zeros(2 * length, np.float32)
    for place, voice in enumerate(PATTERN):
        start = int(place * NOTE_SECS * rate_hz)
        sound[start : start + length] += notes[voice]
    return sound


def _note(at: np.ndarray, midi: int) -> np.ndarray:
    phase = at * np.float32(2 * np.pi * 440.0 * 2 ** ((midi - 69) / 12))
    sound = np.zeros(len(at), np.float32)
    for number, amplitude in PARTIALS:
        sound += np.float32(amplitude) * np.sin(number * phase)
    return sound
