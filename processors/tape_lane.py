"""One side of a recording: pieces of sound laid on a clock."""

from collections import deque

import numpy as np

# Pieces that touch are joined without a gap, though their times are rounded.
JOIN_SECS = 0.002
# A live stream is trusted to be continuous; where it lies is corrected by what its quickest frames
# say, so that jitter and a stalled loop move nothing.
WATCHED_FRAMES = 25
DRIFT_SECS = 0.01


class TapeLane:
    """Takes sound with the time it plays, gives back an unbroken signal in order.

    Where nothing was laid there is silence. Times are seconds since the lane began; what lies
    before the part already taken is lost. Audio: mono int16.
    """

    def __init__(self, rate_hz: int, *, taken: float = 0.0):
        """Initialize an empty lane.

        Args:
            rate_hz: Rate of every piece and of what is taken.
            taken: Up to where the signal was taken already.
        """
        self.rate_hz = rate_hz
        self._pieces: deque[tuple[int, np.ndarray]] = deque()
        self._end = 0  # of the last piece
        self._taken = round(taken * rate_hz)
        self._lags: deque[int] = deque(maxlen=WATCHED_FRAMES)

    def lay(self, at: float, pcm: np.ndarray) -> None:
        """Lay sound that begins at ``at``; over what lies there already, the later one wins."""
        start = round(at * self.rate_hz)
        if abs(start - self._end) <= JOIN_SECS * self.rate_hz:
            start = self._end
        self._put(start, pcm)

    def append(self, at: float, pcm: np.ndarray) -> None:
        """Lay the next frame of a live stream, which arrived whole at ``at``."""
        lag = round(at * self.rate_hz) - len(pcm) - self._end
        if not self._lags:
            self._end += lag
            lag = 0
        self._lags.append(lag)
        least = min(self._lags)
        if len(self._lags) == WATCHED_FRAMES and abs(least) > DRIFT_SECS * self.rate_hz:
            self._end += least
            self._lags = deque((lag - least for lag in self._lags), maxlen=WATCHED_FRAMES)
        self._put(self._end, pcm)

    def cut(self, at: float) -> None:
        """Nothing laid so far sounds from ``at`` on."""
        index = round(at * self.rate_hz)
        kept = ((start, pcm[: max(0, index - start)]) for start, pcm in self._pieces)
        self._pieces = deque((start, pcm) for start, pcm in kept if len(pcm))
        self._end = min(self._end, max(index, 0))

    def take(self, until: float) -> np.ndarray:
        """The signal from where the last part ended up to ``until``."""
        end = max(round(until * self.rate_hz), self._taken)
        signal = np.zeros(end - self._taken, np.int16)
        left: deque[tuple[int, np.ndarray]] = deque()
        for start, pcm in self._pieces:
            first, last = max(start, self._taken), min(start + len(pcm), end)
            if first < last:
                signal[first - self._taken : last - self._taken] = pcm[first - start : last - start]
            if start + len(pcm) > end:
                left.append((start, pcm))
        self._pieces, self._taken = left, end
        return signal

    def _put(self, start: int, pcm: np.ndarray) -> None:
        self._pieces.append((start, pcm))
        self._end = start + len(pcm)
