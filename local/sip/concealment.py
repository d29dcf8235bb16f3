"""Fills the place of a lost frame (after ITU-T G.711 Appendix I: pitch repeated, fading)."""

from collections import deque

import numpy as np

FRAME = 160
_HISTORY = 480
_MIN_LAG, _MAX_LAG = 40, 120
_FADE_FRAMES = 3


class Concealer:
    """Remembers the last 60 ms of a line and goes on with their pitch."""

    def __init__(self):
        # Put together only when a frame is lost; the shortest packets have 5 ms.
        self._heard: deque[np.ndarray] = deque(maxlen=_HISTORY // 40)
        self._cycle: np.ndarray | None = None
        self._lost = 0

    def heard(self, pcm: np.ndarray) -> None:
        """A frame came: 8 kHz int16, not changed afterwards."""
        self._heard.append(pcm)
        self._cycle, self._lost = None, 0

    def fill(self) -> np.ndarray:
        """A frame in place of a lost one; silent after three."""
        if self._cycle is None:
            self._cycle = self._last_cycle()
        start = self._lost * FRAME
        index = (start + np.arange(FRAME)) % len(self._cycle)
        loud = max(0.0, 1 - self._lost / _FADE_FRAMES)
        quiet = max(0.0, 1 - (self._lost + 1) / _FADE_FRAMES)
        self._lost += 1
        return (self._cycle[index] * np.linspace(loud, quiet, FRAME)).astype(np.int16)

    def _last_cycle(self) -> np.ndarray:
        """The last pitch period: the lag at which the end of the history resembles itself best."""
        x = np.concatenate([np.zeros(_HISTORY), *self._heard])[-_HISTORY:]
        recent = x[-FRAME:]
        windows = np.lib.stride_tricks.sliding_window_view(x[: _HISTORY - _MIN_LAG], FRAME)
        # windows[i] ends _HISTORY - FRAME - i samples before the newest one.
        first = _HISTORY - FRAME - _MAX_LAG
        windows = windows[first : _HISTORY - FRAME - _MIN_LAG + 1]
        energy = np.sqrt((windows * windows).sum(axis=1)) + 1.0
        best = int(np.argmax(windows @ recent / energy))
        return x[-(_MAX_LAG - best) :]
