"""Records the call in stereo: left the caller, right what the bot's line really played."""

import asyncio
import time
from pathlib import Path

import numpy as np
import soxr
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.keypad_frames import KeyEntryFrame
from processors.tape_lane import TapeLane
from records.wav import StereoWavWriter

RATE_HZ = 16000
# The bot's audio is laid ahead of its time; behind this much it can be cut no more, and the
# caller's frames of that time have arrived.
BEHIND_SECS = 0.25
WRITE_SECS = 0.1
CLOSE_SECS = 5.0


class RecorderProcessor(FrameProcessor):
    """Writes both sides of the call to one WAV file, on one clock, while it runs.

    Sits right behind ``transport.input()``, where it hears the caller before anything can mute
    them, and is the transport's ``tap``, which tells it what the line plays, holds and cuts
    included. What the caller's line carries while a secret number is keyed in is written as
    silence. Time zero is ``start()``. The file is at most one second behind. A disk that fails
    ends the recording with an error frame and leaves the call alone.
    """

    def __init__(self, path: str | Path, *, rate_hz: int = RATE_HZ, **kwargs):
        """Initialize the recorder; nothing is opened yet.

        Args:
            path: Where to write; its folder must exist.
            rate_hz: Rate of the recording and of the caller's frames.
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(enable_direct_mode=True, **kwargs)
        self._path = Path(path)
        self._rate_hz = rate_hz
        self._caller = TapeLane(rate_hz)
        self._bot: TapeLane | None = None
        self._resampler: soxr.ResampleStream | None = None
        self._pending_bot = np.zeros(0, np.int16)
        self._pending_caller = np.zeros(0, np.int16)
        self._zero = 0.0
        self._taken = 0.0
        self._written = 0
        self._recording = False
        self._covered = False
        self._closing = asyncio.Event()
        self._writing: asyncio.Task | None = None

    @property
    def recording(self) -> bool:
        """Whether audio is being taken."""
        return self._recording

    @property
    def secs(self) -> float:
        """Seconds written so far."""
        return self._written / self._rate_hz

    def start(self) -> None:
        """Begin the recording now, once; the pipeline must be set up.

        The session calls it as it publishes the bot's track, which answers the call.
        """
        if self._writing is None:
            self._zero = time.monotonic()
            self._recording = True
            self._writing = self.create_task(self._write_until_closed())

    async def stop(self) -> float:
        """Write what is left and close the file; idempotent.

        Returns:
            Seconds recorded; 0 if nothing was.
        """
        self._closing.set()
        if self._writing:
            await asyncio.wait({self._writing}, timeout=CLOSE_SECS)
        self._recording = False
        return self.secs

    def played(self, at: float, pcm: bytes, rate_hz: int) -> None:
        """``PlayoutTap``: the line plays ``pcm`` from ``at`` on."""
        if not self._recording:
            return
        if self._bot is None:
            self._bot = TapeLane(rate_hz, taken=self._taken)
            if rate_hz != self._rate_hz:
                self._resampler = soxr.ResampleStream(rate_hz, self._rate_hz, 1, "int16")
        self._bot.lay(at - self._zero, np.frombuffer(pcm, np.int16))

    def cut(self, at: float) -> None:
        """``PlayoutTap``: the line fell silent at ``at``."""
        if self._bot:
            self._bot.cut(at - self._zero)

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Pass every frame on; keep the caller's."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame) and self._recording:
            arrived = time.monotonic() - self._zero
            heard = np.frombuffer(frame.audio, np.int16)
            self._caller.append(arrived, np.zeros_like(heard) if self._covered else heard)
        elif isinstance(frame, KeyEntryFrame) and frame.secret:
            self._covered = frame.active

    async def cleanup(self):
        """Close the file with the pipeline, if nobody did."""
        await self.stop()
        await super().cleanup()

    async def _write_until_closed(self) -> None:
        try:
            # One call at a time enters the writer, each in a thread: a disk may be slow.
            writer = await asyncio.to_thread(StereoWavWriter, self._path, self._rate_hz)
            try:
                while not self._closing.is_set():
                    await self._pause()
                    behind = 0.0 if self._closing.is_set() else BEHIND_SECS
                    caller, bot = self._take(time.monotonic() - self._zero - behind)
                    await asyncio.to_thread(writer.write, caller, bot)
                    self._written += len(caller)
            finally:
                await asyncio.to_thread(writer.close)
        except OSError as e:
            self._recording = False
            await self.push_error(f"Recorder cannot write {self._path.name}", exception=e)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(WRITE_SECS):
                await self._closing.wait()
        except TimeoutError:
            pass

    def _take(self, until: float) -> tuple[np.ndarray, np.ndarray]:
        """Both sides up to ``until``, equally long; what one has more waits."""
        self._taken = max(until, self._taken)
        caller = np.concatenate((self._pending_caller, self._caller.take(self._taken)))
        if self._bot is None:
            bot = np.zeros(len(caller), np.int16)
        else:
            signal = self._bot.take(self._taken)
            # It gives a little less at first than it takes.
            signal = self._resampler.resample_chunk(signal) if self._resampler else signal
            bot = np.concatenate((self._pending_bot, signal))
        both = min(len(caller), len(bot))
        self._pending_caller, self._pending_bot = caller[both:], bot[both:]
        return caller[:both], bot[:both]
