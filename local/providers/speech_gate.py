"""Is there speech in this 20 ms of audio?"""

import numpy as np

FRAME_MS = 20


class SpeechGate:
    """Tracks the noise floor and marks frames clearly above it.

    It only decides when to transcribe ahead of time, never what the answer to a Finalize is: noise
    taken for speech costs some milliseconds and no words.
    """

    def __init__(self, *, floor: float = 40.0, ratio: float = 3.0, minimum: float = 110.0):
        """Initialize the gate.

        Args:
            floor: First guess of the noise level, as RMS of int16 samples.
            ratio: Speech is this much louder than the floor.
            minimum: And at least this loud.
        """
        self._floor = floor
        self._ratio = ratio
        self._minimum = minimum

    def is_speech(self, frame: np.ndarray) -> bool:
        """Judge one frame of int16 samples."""
        level = float(np.sqrt(np.mean(np.square(frame.astype(np.float32)))))
        speech = level > max(self._minimum, self._floor * self._ratio)
        if level < self._floor:
            self._floor += (level - self._floor) * 0.2
        else:  # rise slowly, slower still while someone speaks
            self._floor += (min(level, 2000.0) - self._floor) * (0.002 if speech else 0.02)
        return speech
