"""Speaks for a bot: sentences that are kept, or else the TTS."""

from loguru import logger
from pipecat.frames.frames import Frame, InterruptionFrame, TTSSpeakFrame
from pipecat.pipeline.worker import PipelineWorker

from bots.bot import Bot
from bots.own_phrases import Phrases
from bots.phrase_processor import PhraseFrame
from bots.phrases import RATE_HZ


class Speaker:
    """Puts sentences of ours into a bot's mouth; they enter context and transcript like its own."""

    def __init__(self, bot: Bot, worker: PipelineWorker, phrases: Phrases):
        """Initialize; nothing is said yet."""
        self._bot = bot
        self._worker = worker
        self._phrases = phrases

    async def say(self, text: str, *, at_once: bool = False, to_the_end: bool = False) -> None:
        """Say a sentence.

        Args:
            text: What to say.
            at_once: Drop what is being said or thought of.
            to_the_end: Nobody interrupts it.
        """
        if not self._bot.talks:
            logger.warning(f"{self._bot.name} has no voice to say something with")
            return
        frame = await self.prepared(text)
        frame.interruptible = not to_the_end
        if at_once:
            await self._worker.queue_frame(InterruptionFrame())
        await self._worker.queue_frame(frame)

    async def prepared(self, text: str) -> Frame:
        """The frame that says a sentence, from kept audio if there is some."""
        tts = self._bot.config.tts
        assert tts is not None
        audio = await self._phrases.get(tts.use, tts.voice or "", text, RATE_HZ)
        return PhraseFrame(text, audio, RATE_HZ) if audio else TTSSpeakFrame(text)
