"""Hands frames to a native audio source one after the other."""

import asyncio
import time

from livekit import rtc

TICK_SECS = 0.01


class OneAtATime:
    """Lets a frame wait for the one before, also when whoever sent that one has given up.

    The native source refuses a frame (``InvalidState``) while another waits for room, and a task
    that is cancelled leaves its frame waiting there: for as long as the queue lasts at most.
    """

    def __init__(self, source: rtc.AudioSource):
        """Initialize around the source."""
        self._source = source
        self._turn = asyncio.Lock()
        self._free_at = 0.0

    async def capture(self, frame: rtc.AudioFrame) -> None:
        """Hand a frame over, at once if nobody is before it; returns when all of it is taken."""
        async with self._turn:
            if (wait := self._free_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            try:
                await self._source.capture_frame(frame)
            except asyncio.CancelledError:
                self._free_at = time.monotonic() + self._source.queued_duration + TICK_SECS
                raise
