"""Lets two people in two rooms hear each other."""

import asyncio
from collections import deque
from typing import Protocol

from loguru import logger

from transports.standing_audio import StandingAudio

KEEP_SECS = 0.04


class Playing(Protocol):
    """A line that plays PCM, as ``PausableSource`` and ``DeskLine`` do."""

    @property
    def queued_duration(self) -> float:
        """Seconds that are handed over and not played yet."""
        ...

    async def play(self, pcm: bytes) -> None:
        """Plays 16-bit mono PCM at the line's rate."""
        ...


class LiveFeed:
    """Plays a live voice on a line, as near to the present as the line allows.

    At most 40 ms wait before the line and 40 ms in it: what comes after a stall is dropped, oldest
    first, and what stands in the queue without need is taken out. No resampling: the voice comes
    at the line's rate.

    Parameters:
        played_secs: Audio handed to the line so far.
        dropped_secs: Audio dropped so far.
    """

    def __init__(self, line: Playing, rate_hz: int):
        """Initialize; nothing is played before ``start``.

        Args:
            line: Where it is heard.
            rate_hz: Rate of the PCM.
        """
        self.played_secs = self.dropped_secs = 0.0
        self._line, self._rate_hz = line, rate_hz
        self._waiting: deque[bytes] = deque()
        self._standing = StandingAudio()
        self._news = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    def offer(self, pcm: bytes) -> None:
        """Take the next piece of the voice, 16-bit mono PCM; returns at once."""
        self._waiting.append(pcm)
        while sum(map(len, self._waiting)) > self._rate_hz * 2 * KEEP_SECS:
            self._drop(self._waiting.popleft())
        self._news.set()

    def start(self) -> None:
        """Begin to play."""
        self._playing = asyncio.create_task(self._play(), name="live_feed")
        self._playing.add_done_callback(_report)

    async def stop(self) -> None:
        """Play nothing more; safe to call twice."""
        task, self._playing = self._playing, None
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _play(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                pcm = self._waiting.popleft()
                queued, secs = self._line.queued_duration, len(pcm) / 2 / self._rate_hz
                if queued + secs > KEEP_SECS or self._standing.is_surplus(queued, secs):
                    self._drop(pcm)
                else:
                    await self._line.play(pcm)
                    self.played_secs += secs

    def _drop(self, pcm: bytes) -> None:
        self.dropped_secs += len(pcm) / 2 / self._rate_hz


def _report(playing: asyncio.Task[None]) -> None:
    if not playing.cancelled() and (error := playing.exception()):
        logger.opt(exception=error).error("A voice of the bridge is silent")
