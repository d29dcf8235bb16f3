"""Plays hold music on the caller's line, with a word now and then."""

import asyncio
import time

from processors.hold_music import HoldMusic
from transports.pausable_source import PausableSource

WORD_SECS = 20.0
STEP_SECS = 0.02
STOP_SECS = 1.5


class HoldPlayer:
    """Borrows the line: music that fades in and out, and every 20 s a spoken word between."""

    def __init__(self, line: PausableSource, word: bytes, *, every_secs: float = WORD_SECS):
        """Initialize; nothing is played before ``start``.

        Args:
            line: The caller's line; it is lent already.
            word: What is said, 16-bit mono PCM at the line's rate; may be empty.
            every_secs: How much music between two words.
        """
        self._line, self._word, self._every_secs = line, word, every_secs
        self._music: HoldMusic | None = None
        self._stopping = False
        self._playing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to play; once."""
        if self._playing is None:
            self._playing = asyncio.create_task(self._play(), name="hold_player")

    async def stop(self) -> None:
        """Fade out and end; safe to call twice."""
        task, self._playing = self._playing, None
        if task is None:
            return
        self._stopping = True
        if self._music:
            self._music.fade_out()
        await asyncio.wait({task}, timeout=STOP_SECS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _play(self) -> None:
        rate_hz = self._line.sample_rate
        while not self._stopping:
            self._music = HoldMusic(rate_hz)
            word_at = time.monotonic() + self._every_secs
            for chunk in self._music.frames():
                if self._word and time.monotonic() >= word_at:
                    self._music.fade_out()
                await self._line.play(chunk)
            step = int(rate_hz * STEP_SECS) * 2
            for start in range(0, len(self._word), step):
                if self._stopping:
                    return
                await self._line.play(self._word[start : start + step])
