"""Keeps as audio what a bot must be able to say without asking anyone."""

import asyncio
from collections.abc import Iterator

import numpy as np
from loguru import logger
from pipecat.frames.frames import EndFrame, ErrorFrame, Frame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.tts_service import TTSService
from pipecat.workers.runner import WorkerRunner

from bots.bot import Bot, Bots
from bots.escalation import transfer_phrases
from bots.sentences import sentences_for
from bots.variables import said_in_all
from services.phrases import PhraseStore
from services.providers import Providers

RATE_HZ = 24000
"""Sample rate of kept phrases and of the bot's track."""

SYNTHESIS_SECS = 20.0
LEAD_SECS = 0.01
SILENCE = 330  # of 32767: -40 dBFS


class PhraseError(Exception):
    """A phrase could not be synthesised; calls will ask the TTS for it instead."""


def phrases_of(bot: Bot) -> Iterator[str]:
    """What is kept for a bot."""
    yield from said_in_all(bot)
    yield from bot.config.idle.reprompts or ()
    yield from (meaning.say for meaning in bot.config.keys.values() if meaning.say)
    yield from sentences_for(bot.config.language)


async def warm_phrases(bots: Bots, providers: Providers, store: PhraseStore) -> list[str]:
    """Synthesise what is not kept yet, once for each voice.

    Returns:
        One sentence for each bot whose phrases are missing; empty when all are kept.
    """
    failures: list[str] = []
    for bot in bots.by_name.values():
        if bot.config.tts is None:
            continue
        try:
            for text in (*phrases_of(bot), *transfer_phrases(bot, bots.desks)):
                await keep_phrase(bot, text, providers, store)
        except PhraseError as error:
            failures.append(f"{bot.name}: {error}")
            logger.warning(f"Phrases of {bot.name} are not kept: {error}")
    return failures


async def keep_phrase(bot: Bot, text: str, providers: Providers, store: PhraseStore) -> bytes:
    """The PCM of one phrase, from the store or from the bot's TTS.

    Raises:
        PhraseError: If the TTS does not speak it.
    """
    tts = bot.config.tts
    assert tts is not None

    async def synthesize() -> bytes:
        service = providers.tts(tts.use, voice=tts.voice, language=bot.config.language)
        return trimmed(await synthesised(service, text))

    return await store.ensure(tts.use, tts.voice or "", text, RATE_HZ, synthesize)


async def synthesised(service: TTSService, text: str) -> bytes:
    """Let a TTS say one sentence: 16-bit mono PCM at ``RATE_HZ``.

    Raises:
        PhraseError: If it fails, stays silent or takes longer than 20 s.
    """
    ear = _Ear()
    worker = PipelineWorker(
        Pipeline([service, ear]),
        params=PipelineParams(audio_out_sample_rate=RATE_HZ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )
    errors: list[str] = []

    @worker.event_handler("on_pipeline_error")
    async def on_pipeline_error(_, frame: ErrorFrame):
        errors.append(frame.error)
        await worker.cancel(reason="the TTS failed")

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await worker.queue_frames([TTSSpeakFrame(text), EndFrame()])
    running = asyncio.create_task(runner.run())
    try:
        done, _ = await asyncio.wait({running}, timeout=SYNTHESIS_SECS)
    finally:
        if not running.done():  # too late, or nobody wants the words any more
            await worker.cancel(reason="the TTS is silent")
            await asyncio.wait({running}, timeout=3)
            running.cancel()
    if not done:
        raise PhraseError(f"{service.name} did not finish in {SYNTHESIS_SECS:g} s")
    await running
    if errors or not ear.audio:
        raise PhraseError(errors[0] if errors else f"{service.name} sent no audio")
    return bytes(ear.audio)


def trimmed(pcm: bytes) -> bytes:
    """Cut the silence at the head, which the caller would wait through, and most of the tail."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SILENCE)
    if not len(loud):
        return pcm
    lead = int(LEAD_SECS * RATE_HZ)
    return samples[max(0, loud[0] - lead) : loud[-1] + 10 * lead].tobytes()


class _Ear(FrameProcessor):
    """Keeps the audio that comes by."""

    def __init__(self):
        super().__init__()
        self.audio = bytearray()

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio += frame.audio
        await self.push_frame(frame, direction)
