"""The words that were heard on a call, by whom, and those that are still being recognised."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from local.callers.listener import Utterance
from local.callers.sounds import pitch_hz, same_voice


class Transcriber(Protocol):
    """Speech recognition of 16-bit mono audio at 8 kHz."""

    async def transcribe(self, pcm: np.ndarray) -> str:
        """The words."""
        ...


@dataclass(frozen=True)
class _Heard:
    utterance: Utterance
    text: str
    pitch_hz: float | None


class HeardWords:
    """Recognises every utterance of the far end in the background."""

    def __init__(self, ears: Transcriber, on_words: Callable[[Utterance], None]):
        """Initialize with nothing heard.

        Args:
            ears: Recognises the words.
            on_words: Told each utterance once its words are known.
        """
        self._ears, self._on_words = ears, on_words
        self._heard: list[_Heard] = []
        self._first_hz: float | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def utterances(self) -> list[Utterance]:
        """Those whose words are known, in the order of their beginning."""
        return [heard.utterance for heard in self._heard]

    @property
    def coming(self) -> bool:
        """Whether something is being recognised."""
        return bool(self._running)

    def listen(self, utterance: Utterance) -> None:
        """Recognise an utterance that is over."""
        task = asyncio.create_task(self._understand(utterance))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def since(self, mark: float, voice: str = "any") -> str:
        """What was said behind a time of the monotonic clock.

        Args:
            mark: Utterances that ended later count.
            voice: ``first`` is the voice heard first, ``other`` any other, ``any`` all.
        """
        return " ".join(
            heard.text
            for heard in self._heard
            if heard.utterance.ended_at > mark
            and (voice == "any" or self._is_other(heard) == (voice == "other"))
        )

    def text_of(self, utterance: Utterance) -> str:
        """Its words; empty if they are not known."""
        return next((h.text for h in self._heard if h.utterance is utterance), "")

    def by_other_voice(self, utterance: Utterance) -> bool:
        """Whether it was said by another voice than the first on the call."""
        return any(self._is_other(h) for h in self._heard if h.utterance is utterance)

    async def more(self, within_secs: float) -> None:
        """Wait for further words, at most so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(within_secs):
                await self._changed.wait()
        except TimeoutError:
            return

    async def settled(self) -> None:
        """Wait until everything heard is recognised."""
        await asyncio.gather(*self._running)

    def _is_other(self, heard: _Heard) -> bool:
        if self._first_hz is None or heard.pitch_hz is None:
            return False
        return not same_voice(self._first_hz, heard.pitch_hz)

    async def _understand(self, utterance: Utterance) -> None:
        text = await self._ears.transcribe(utterance.pcm)
        heard = _Heard(utterance, text, pitch_hz(utterance.pcm))
        self._heard.append(heard)
        self._heard.sort(key=lambda each: each.utterance.started_at)
        pitches = [h.pitch_hz for h in self._heard if h.pitch_hz is not None]
        self._first_hz = pitches[0] if pitches else None
        self._changed.set()
        self._on_words(utterance)
