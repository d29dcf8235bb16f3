"""What only this call says, e.g. a greeting by name: synthesised while the phone still rings."""

import asyncio
from typing import Protocol

from loguru import logger

from bots.bot import Bot
from bots.phrases import RATE_HZ, PhraseError, synthesised, trimmed
from services.providers import ProviderError, Providers

WAIT_SECS = 3.0


class Phrases(Protocol):
    """Sentences as 16-bit mono PCM."""

    async def get(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> bytes | None:
        """The sentence, or None where it has to be synthesised when it is needed."""
        ...


class OwnPhrases:
    """The kept phrases, and beside them those of one call; the latter never reach the disk."""

    def __init__(self, kept: Phrases, bot: Bot, providers: Providers):
        """Initialize; nothing is synthesised yet.

        Args:
            kept: What all calls say.
            bot: The bot of this call, with its variables filled in.
            providers: Makes a voice of its own for this.
        """
        self._kept, self._bot, self._providers = kept, bot, providers
        self._coming: dict[str, asyncio.Task[bytes | None]] = {}

    def begin(self) -> None:
        """Synthesise what this call says and others do not."""
        if not (self._bot.talks and self._bot.variables):
            return
        voicemail = self._bot.config.voicemail
        for text in (self._bot.config.greeting, voicemail.message if voicemail else ""):
            if text:
                self._coming[text] = asyncio.create_task(self._synthesise(text))

    async def get(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> bytes | None:
        """The sentence; waits up to 3 s for one of this call's own that is on its way."""
        if coming := self._coming.get(text):
            await asyncio.wait({coming}, timeout=WAIT_SECS)
            return coming.result() if coming.done() and not coming.cancelled() else None
        return await self._kept.get(tts_spec, voice, text, rate_hz)

    async def close(self) -> None:
        """Stop whatever is still being synthesised."""
        for task in self._coming.values():
            task.cancel()
        await asyncio.gather(*self._coming.values(), return_exceptions=True)

    async def _synthesise(self, text: str) -> bytes | None:
        tts = self._bot.config.tts
        assert tts is not None
        if audio := await self._kept.get(tts.use, tts.voice or "", text, RATE_HZ):
            return audio
        try:
            language = self._bot.config.language
            service = self._providers.tts(tts.use, voice=tts.voice, language=language)
            return trimmed(await synthesised(service, text))
        except (PhraseError, ProviderError) as error:
            logger.warning(f"{self._bot.name}: a sentence of this call is not prepared: {error}")
            return None
