"""What Silero makes of silence, worked out once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Comfort noise of a gateway lies below this, and so does the rounding of μ-law; no speech does.
SILENT_DBFS = -60.0
PEAK = int(32768 * 10 ** (SILENT_DBFS / 20))


def is_silent(window: bytes) -> bool:
    """Whether 16-bit mono PCM stays below -60 dBFS."""
    if not any(window):
        return True
    samples = np.frombuffer(window, np.int16)
    return int(samples.max()) <= PEAK and int(samples.min()) >= -PEAK


@dataclass(frozen=True)
class SilentWindow:
    """The model behind one more window of silence.

    Parameters:
        confidence: That it was speech.
        state: Of the recurrent network.
    """

    confidence: float
    state: np.ndarray


class SilentWindows:
    """A Silero model fed with nothing but silence since its last reset.

    It always goes the same way, so each step is computed once for a process and remembered:
    Pipecat resets the model every two seconds of silence, which makes 63 of them.
    """

    def __init__(self):
        self._steps: dict[tuple[int, int], SilentWindow] = {}

    def step(self, model: Any, past: int, rate_hz: int) -> float:
        """Let the model hear a window of silence behind ``past`` others.

        Args:
            model: ``SileroOnnxModel``; it is brought to where it would be only when it is needed.
            past: Windows of silence since its reset.
            rate_hz: 8000 or 16000.

        Returns:
            Confidence that it was speech.
        """
        known = self._steps.get((past, rate_hz))
        if known is None:
            self.restore(model, past, rate_hz)
            size = 512 if rate_hz == 16000 else 256
            confidence = float(model(np.zeros(size, np.float32), rate_hz)[0].item())
            known = SilentWindow(confidence, model._state)
            self._steps[past, rate_hz] = known
        return known.confidence

    def restore(self, model: Any, past: int, rate_hz: int) -> None:
        """Bring the model to where ``past`` windows of silence have taken it."""
        model.reset_states()
        if past:
            model._state = self._steps[past - 1, rate_hz].state
            model._context = np.zeros((1, 64 if rate_hz == 16000 else 32), np.float32)
            model._last_sr, model._last_batch_size = rate_hz, 1


SILENCE = SilentWindows()
