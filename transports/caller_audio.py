"""The caller's audio on its way into the pipeline."""

import asyncio
from collections.abc import AsyncIterator

from livekit import rtc
from loguru import logger

FRAME_MS = 20
MAX_BACKLOG_SECS = 0.5
CLOSE_SECS = 2.0


class CallerAudio:
    """Reads the caller's track at the pipeline's own rate, 20 ms a frame.

    At LiveKit's default of 48 kHz Pipecat resamples and delivers bursts of 70 ms. What has waited
    for more than half a second is dropped, oldest first: after a stall the bot hears the present.

    Parameters:
        rate_hz: Rate of the frames.
        dropped_secs: Audio dropped since the call began.
    """

    def __init__(self, rate_hz: int):
        self.rate_hz = rate_hz
        self.dropped_secs = 0.0
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()
        self._stream: rtc.AudioStream | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listening = False
        self._switching = asyncio.Lock()

    @property
    def backlog_secs(self) -> float:
        """Audio that waits for the pipeline."""
        return self._frames.qsize() * FRAME_MS / 1000

    async def open(self, track: rtc.Track) -> None:
        """Reads ``track`` from now on, instead of an earlier one (a reconnect, a republish)."""
        async with self._switching:
            await self._release()
            self._stream = rtc.AudioStream(
                track, sample_rate=self.rate_hz, num_channels=1, frame_size_ms=FRAME_MS
            )
            self._reader = asyncio.create_task(self._read(self._stream), name="caller_audio")

    async def close(self) -> None:
        """Releases the native stream; idempotent."""
        async with self._switching:
            await self._release()

    async def frames(self) -> AsyncIterator[rtc.AudioFrame]:
        """Yields 16-bit mono frames from now on; what came before nobody listened is gone."""
        while not self._frames.empty():
            self._frames.get_nowait()
        self._listening = True
        while True:
            yield await self._frames.get()

    async def _release(self) -> None:
        stream, self._stream = self._stream, None
        reader, self._reader = self._reader, None
        if stream:
            try:
                async with asyncio.timeout(CLOSE_SECS):
                    await stream.aclose()
            except TimeoutError:
                logger.warning(f"Caller's audio stream not closed after {CLOSE_SECS} s")
        if reader:
            reader.cancel()

    async def _read(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            if not self._listening:
                continue
            self._frames.put_nowait(event.frame)
            while self.backlog_secs > MAX_BACKLOG_SECS:
                self._frames.get_nowait()
                self.dropped_secs += FRAME_MS / 1000
