"""What a telephone sends while nobody speaks into it: the faint noise of a room."""

import numpy as np

RATE_HZ = 8000
FRAME = 160
LEVEL_DBFS = -74.0


class RoomNoise:
    """Gives noise in order, the same in every run; a bot tells a silent caller from a held line.

    Digital silence is what a phone on hold sends, or one whose microphone is muted.
    """

    def __init__(self, seed: int = 1):
        """Initialize with the seed of the noise."""
        level = 32768 * 10 ** (LEVEL_DBFS / 20)
        noise = np.random.default_rng(seed).normal(0, level, RATE_HZ)
        self._second = np.rint(noise).astype(np.int16)
        self._at = 0
        self.muted = False

    def frame(self) -> np.ndarray | None:
        """The next 20 ms, int16 at 8 kHz; None, which is silence, while muted."""
        if self.muted:
            return None
        self._at = (self._at + FRAME) % RATE_HZ
        return self._second[self._at : self._at + FRAME]

    def under(self, pcm: np.ndarray) -> np.ndarray:
        """The same speech, spoken in that room."""
        noise = np.resize(self._second, len(pcm)).astype(np.int32)
        return np.clip(pcm.astype(np.int32) + noise, -32768, 32767).astype(np.int16)
