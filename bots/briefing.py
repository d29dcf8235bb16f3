"""What the person at the desk is told about the call, as text and as sound."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import soxr
from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import LLMService

from bots.bot import Bot
from bots.desk_words import DeskWords, desk_words, intro_of
from bots.desks import Desk
from bots.phrases import RATE_HZ, PhraseError, synthesised, trimmed
from services.phrases import PhraseStore
from services.providers import ProviderError, Providers

SUMMARY_SECS = 4.0
SUMMARY_TOKENS = 120
LAST_WORDS = 2
HEADER_CHARS = 180
PAUSE_SECS = 0.25


class Briefing:
    """Prepares the words for one desk while it still rings."""

    def __init__(
        self,
        bot: Bot,
        desk: Desk,
        providers: Providers,
        phrases: PhraseStore,
        llm: LLMService | None,
        *,
        from_browser: bool = False,
    ):
        """Initialize; nothing is asked yet.

        Args:
            bot: Whose voice it is.
            desk: Who is told.
            providers: Makes the voice.
            phrases: Sentences that need no synthesis.
            llm: Sums up; None leaves it to the last words.
            from_browser: The caller has no number.
        """
        self._bot, self._desk, self._providers = bot, desk, providers
        self._phrases, self._llm, self._from_browser = phrases, llm, from_browser
        self.language = desk.language or bot.config.language
        self.words: DeskWords = desk_words(self.language)

    async def summary(self, messages: Sequence[Any], reason: str) -> str:
        """What was said so far: by the LLM within 4 s, else the last words and what was tried."""
        spoken = list(transcript_lines(messages))
        if not spoken or self._llm is None:
            return self._plain(messages, reason)
        asking = asyncio.ensure_future(self._ask(self._llm, spoken, reason))
        try:
            await asyncio.wait({asking}, timeout=SUMMARY_SECS)
            if asking.done() and not asking.exception() and asking.result():
                return asking.result()
            why = type(asking.exception()).__name__ if asking.done() else "no answer in time"
            logger.warning(f"No summary by the LLM: {why}")
            return self._plain(messages, reason)
        finally:
            asking.cancel()

    @property
    def intro(self) -> str:
        """What is said first: who speaks, and for whom."""
        return intro_of(self._bot.name, self._desk, self.words)

    def number(self, caller: str) -> str:
        """From which number the caller calls."""
        words = self.words
        if self._from_browser:
            return words.browser
        return words.number.format(number=digit_by_digit(caller)) if caller else words.hidden

    async def sound(self, text: str, rate_hz: int) -> bytes:
        """A text in the bot's voice: 16-bit mono PCM at ``rate_hz``.

        Raises:
            PhraseError: If the TTS does not speak it.
        """
        tts = self._bot.config.tts
        assert tts is not None
        if kept := await self._phrases.get(tts.use, tts.voice or "", text, RATE_HZ):
            return resampled(kept, RATE_HZ, rate_hz)
        try:
            service = self._providers.tts(tts.use, voice=tts.voice, language=self.language)
        except ProviderError as error:
            raise PhraseError(str(error)) from error
        return resampled(trimmed(await synthesised(service, text)), RATE_HZ, rate_hz)

    async def _ask(self, llm: LLMService, spoken: Sequence[str], reason: str) -> str:
        text = "\n".join([*spoken, f"Reason for the transfer: {reason}" if reason else ""])
        context = LLMContext([{"role": "user", "content": text}])
        answer = await llm.run_inference(
            context, max_tokens=SUMMARY_TOKENS, system_instruction=self.words.summarise
        )
        return " ".join((answer or "").split())

    def _plain(self, messages: Sequence[Any], reason: str) -> str:
        words = self.words
        parts = [words.reason.format(reason=_sentence(reason))] if reason else []
        last = [text for who, text in _said(messages) if who == "Caller"][-LAST_WORDS:]
        if last:
            parts.append(words.said.format(words=_sentence(" ".join(last))))
        tools = list(dict.fromkeys(_tools(messages)))
        if tools:
            parts.append(words.tried.format(tools=", ".join(t.replace("_", " ") for t in tools)))
        return " ".join(parts)


def transcript_lines(messages: Sequence[Any]) -> Iterator[str]:
    """What was said, a line each; empty while the caller said nothing."""
    lines = [f"{who}: {text}" for who, text in _said(messages)]
    if any(line.startswith("Caller") for line in lines):
        yield from lines
        for name in dict.fromkeys(_tools(messages)):
            yield f"Tried: {name.replace('_', ' ')}"


def header_text(text: str) -> str:
    """A text fit for a SIP header: printable ASCII on one line, at most 180 characters."""
    ascii_only = text.encode("ascii", "ignore").decode()
    return " ".join(ascii_only.split())[:HEADER_CHARS]


def digit_by_digit(number: str) -> str:
    """A number as it is read out: in groups from the end, "5 5 5, 0 1 2 3"."""
    digits = [c for c in number if c.isdigit()]
    if len(digits) < 5:
        return " ".join(digits)
    head, tail = digits[:-4], digits[-4:]
    groups = [head[max(0, end - 3) : end] for end in range(len(head), 0, -3)][::-1]
    return ", ".join(" ".join(group) for group in [*groups, tail])


def resampled(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """16-bit mono PCM at another rate, with a short pause behind it."""
    samples = soxr.resample(np.frombuffer(pcm, np.int16), from_hz, to_hz)
    return samples.astype(np.int16).tobytes() + bytes(int(to_hz * PAUSE_SECS) * 2)


def _said(messages: Sequence[Any]) -> Iterator[tuple[str, str]]:
    names = {"user": "Caller", "assistant": "Assistant"}
    for message in messages:
        if isinstance(message, dict) and (who := names.get(str(message.get("role")))):
            text = message.get("content")
            if isinstance(text, str) and text.strip():
                yield who, text.strip()


def _tools(messages: Sequence[Any]) -> Iterator[str]:
    for message in messages:
        for call in (isinstance(message, dict) and message.get("tool_calls")) or ():
            name = str((call.get("function") or {}).get("name") or "")
            if name and name != "transfer_to_human":
                yield name


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
