"""Hears the person at the desk: words by the bot's own STT, and when they fall silent."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.stt_service import STTService
from pipecat.workers.runner import WorkerRunner

VOICE_PEAK = 700  # of 32767, about -33 dBFS: louder than a quiet room on a phone
VOICED_SECS = 0.03
PAUSE_SECS = 0.3
BATCH_SECS = 0.02
STOP_SECS = 3.0


class DeskEar:
    """Runs an STT beside the call, on the desk's line only.

    Parameters:
        on_words: Told each utterance, with the time (monotonic) at which it began.
        last_voiced_at: When the person was last loud; None before.
        speaking_since: When they began to speak; None while they are silent.
    """

    def __init__(self, stt: STTService, rate_hz: int, on_words: Callable[[str, float], None]):
        """Initialize; nothing connects before ``start``.

        Args:
            stt: Hears.
            rate_hz: Rate of the audio.
            on_words: Told each utterance.
        """
        self.on_words = on_words
        self.last_voiced_at: float | None = None
        self.speaking_since: float | None = None
        self._rate_hz = rate_hz
        self._loud_secs = 0.0
        self._began_at = 0.0
        self._pending = bytearray()
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._worker = PipelineWorker(
            Pipeline([stt, _Words(self._heard)]),
            params=PipelineParams(audio_in_sample_rate=rate_hz),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect the STT."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        self._tasks = [asyncio.create_task(runner.run()), asyncio.create_task(self._feed())]

    def hear(self, pcm: bytes) -> None:
        """Take 16-bit mono PCM of the person; returns at once."""
        self._watch(pcm)
        self._pending += pcm
        size = int(self._rate_hz * BATCH_SECS) * 2
        while len(self._pending) >= size:
            audio, self._pending = bytes(self._pending[:size]), self._pending[size:]
            self._frames.put_nowait(InputAudioRawFrame(audio, self._rate_hz, 1))

    async def greeting_is_over(self, *, first_secs: float, quiet_secs: float) -> None:
        """Wait until the person has said hello, or says nothing for ``first_secs``."""
        began = time.monotonic()
        while True:
            now, voiced = time.monotonic(), self.last_voiced_at
            due = began + first_secs if voiced is None else voiced + quiet_secs
            if now >= due:
                return
            await asyncio.sleep(min(due - now, 0.05))

    async def stop(self) -> None:
        """Let the STT go; safe to call twice."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        running, feeding = tasks
        feeding.cancel()
        await self._worker.queue_frame(EndFrame())
        await asyncio.wait({running}, timeout=STOP_SECS)
        if not running.done():
            logger.warning("The desk's STT does not stop: cancelling it")
            await self._worker.cancel(reason="the desk's STT does not stop")
            await asyncio.wait({running}, timeout=STOP_SECS)
            running.cancel()
        await asyncio.gather(running, feeding, return_exceptions=True)

    def _watch(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, np.int16)
        secs, now = len(samples) / self._rate_hz, time.monotonic()
        if np.abs(samples.astype(np.int32)).max(initial=0) >= VOICE_PEAK:
            self._loud_secs += secs
            if self._loud_secs >= VOICED_SECS:
                self.last_voiced_at = now
                if self.speaking_since is None:
                    self.speaking_since = self._began_at = now - self._loud_secs
                    self._frames.put_nowait(VADUserStartedSpeakingFrame())
            return
        self._loud_secs = max(0.0, self._loud_secs - secs / 4)
        if self.speaking_since and now - (self.last_voiced_at or 0.0) >= PAUSE_SECS:
            self.speaking_since = None
            # Makes the STT give its words now instead of waiting for a longer silence.
            self._frames.put_nowait(VADUserStoppedSpeakingFrame())

    async def _feed(self) -> None:
        while True:
            await self._worker.queue_frame(await self._frames.get())

    def _heard(self, text: str) -> None:
        self.on_words(text, self._began_at)


class _Words(FrameProcessor):
    """Takes the final transcripts that come by."""

    def __init__(self, on_text: Callable[[str], None]):
        super().__init__()
        self._on_text = on_text

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame) and frame.text.strip():
            self._on_text(frame.text)
        await self.push_frame(frame, direction)
