"""The caller's own recording of a call: left what it sent, right what it heard, to the sample."""

from pathlib import Path

import numpy as np

from local.callers.listener import RATE_HZ
from local.sip.pacer import AUDIBLE, Playback
from records.wav import StereoWavWriter

_REANCHOR = int(0.06 * RATE_HZ)


class CallTape:
    """Places what was sent and heard on one clock; zero is the answer of the call.

    What was sent is placed by the time its first audible sample left, what was heard frame behind
    frame, anchored again at the kernel's arrival time when the two are more than 60 ms apart.
    """

    def __init__(self):
        """Initialize an empty tape."""
        self._sent: list[tuple[np.ndarray, Playback]] = []
        self._heard: list[tuple[int, np.ndarray]] = []
        self._anchor: float | None = None
        self._next = 0

    def sends(self, pcm: np.ndarray, playback: Playback) -> None:
        """Note an utterance on its way out."""
        self._sent.append((pcm, playback))

    def hears(self, frame: np.ndarray, at: float) -> None:
        """Note a frame and its arrival, seconds on the monotonic clock."""
        if self._anchor is None:
            self._anchor = at
        arrived = round((at - self._anchor) * RATE_HZ)
        if abs(self._next - arrived) > _REANCHOR:
            self._next = arrived
        self._heard.append((self._next, frame))
        self._next += len(frame)

    def channels(self, began_at: float, ended_at: float) -> tuple[np.ndarray, np.ndarray]:
        """Left and right, int16 at 8 kHz, from ``began_at`` to ``ended_at`` of the clock."""
        length = max(0, round((ended_at - began_at) * RATE_HZ))
        left, right = np.zeros(length, np.int16), np.zeros(length, np.int16)
        for pcm, playback in self._sent:
            if playback.first_audible_at is not None:
                begin = playback.first_audible_at - _first_audible(pcm) / RATE_HZ
                _place(left, round((begin - began_at) * RATE_HZ), _played(pcm, playback, begin))
        if self._anchor is not None:
            offset = round((self._anchor - began_at) * RATE_HZ)
            for position, frame in self._heard:
                _place(right, offset + position, frame)
        return left, right

    def save(self, path: Path, began_at: float, ended_at: float) -> None:
        """Write the stereo WAV."""
        left, right = self.channels(began_at, ended_at)
        with StereoWavWriter(path, RATE_HZ) as wav:
            wav.write(left, right)


def _first_audible(pcm: np.ndarray) -> int:
    return int(np.argmax(np.abs(pcm.astype(np.int32)) > AUDIBLE))


def _played(pcm: np.ndarray, playback: Playback, began_at: float) -> np.ndarray:
    """What really left: all of it, or what had left when it was cut."""
    if playback.interrupted and playback.last_audible_at is not None:
        return pcm[: max(0, round((playback.last_audible_at - began_at) * RATE_HZ))]
    return pcm


def _place(track: np.ndarray, position: int, pcm: np.ndarray) -> None:
    begin, end = max(0, position), min(len(track), position + len(pcm))
    if begin < end:
        track[begin:end] = pcm[begin - position : end - position]
