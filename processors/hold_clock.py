"""Tells a line on hold from a caller who says nothing. Pure: sound and time in, verdicts out."""

from typing import Literal

import numpy as np

DEAD_RANGE = 3
DEAD_SECS = 2.0
ALIVE_FRAMES = 3
GAP_SECS = 0.2
SHORT_HOLD_SECS = 10.0
GATED_GAPS = 3

Change = Literal["began", "ended"] | None


def is_dead(pcm: bytes) -> bool:
    """Whether 16-bit mono samples are silent to the last bit.

    Digital zero survives G.711, Opus and resampling; the noise of a phone's microphone does too:
    at -78 dBFS it still spans more than 15 steps.
    """
    # A living line shows in every sixteenth sample, for less than numpy needs to begin.
    few = memoryview(pcm).cast("h")[::16].tolist()
    if few and max(few) - min(few) > DEAD_RANGE:
        return False
    samples = np.frombuffer(pcm, np.int16)
    return not len(samples) or int(samples.max()) - int(samples.min()) <= DEAD_RANGE


class HoldClock:
    """Decides, frame by frame, whether the far end holds the line.

    A phone in somebody's hand sends the noise of its microphone; a phone on hold sends digital
    zeros, or nothing, which the room fills with zeros. So the line is held once it has been dead
    for ``dead_secs``, and again alive with three frames in a row that are not. A line that never
    was alive is not held. Nor is one that is dead between words as well, as with a noise gate or
    silence suppression: after three such gaps zeros mean nothing on it.
    """

    def __init__(self, *, dead_secs: float = DEAD_SECS):
        """Initialize; the line was not heard yet.

        Args:
            dead_secs: Dead silence of this length is a hold.
        """
        self.held_since: float | None = None
        self._dead_secs = dead_secs
        self._dead_since: float | None = None
        self._alive = 0
        self._was_alive = False
        self._gaps = 0

    @property
    def gated(self) -> bool:
        """Whether silence on this line is dead anyhow."""
        return self._gaps >= GATED_GAPS

    def hear(self, dead: bool, at: float) -> Change:
        """Take the next frame.

        Args:
            dead: What ``is_dead`` says of it.
            at: When it came, seconds on any clock.
        """
        if dead:
            self._alive = 0
            return self.pass_time(at)
        self._alive += 1
        if self._alive < ALIVE_FRAMES:
            return None
        was_alive, self._was_alive = self._was_alive, True
        dead_since, self._dead_since = self._dead_since, None
        held_since, self.held_since = self.held_since, None
        if was_alive and dead_since and GAP_SECS <= at - dead_since < SHORT_HOLD_SECS:
            self._gaps += 1
        return "ended" if held_since is not None else None

    def pass_time(self, at: float) -> Change:
        """Nothing came: to be called now and then, for a line that stops sending."""
        if self._dead_since is None:
            self._dead_since = at
        held = self.held_since is not None
        if held or self.gated or not self._was_alive or at - self._dead_since < self._dead_secs:
            return None
        self.held_since = self._dead_since
        return "began"
