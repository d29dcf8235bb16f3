"""Hears what a page plays to its user, and waits until a phrase was said."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Self

import numpy as np

from local.callers.ears import Ears
from local.callers.listener import Utterance
from local.callers.phrases import heard
from tests.browser import Page

RATE_HZ = 8000
_START = """(async () => {
    const context = new AudioContext({ sampleRate: %d });
    const tap = context.createScriptProcessor(1024, 1, 1);
    window.tape = [];
    tap.onaudioprocess = ({ inputBuffer }) => tape.push(inputBuffer.getChannelData(0).slice());
    const { srcObject } = document.querySelector("audio");
    context.createMediaStreamSource(srcObject).connect(tap).connect(context.destination);
    await context.resume();
})()"""
_READ = """(async () => {
    const reader = new FileReader();
    const read = new Promise((done) => (reader.onload = done));
    reader.readAsDataURL(new Blob(tape));
    await read;
    return reader.result.split(",")[1];
})()"""


class PageTape:
    """Runs from ``start`` on; made for a page in a call."""

    def __init__(self, page: Page):
        """Initialize; nothing is kept yet."""
        self._page = page

    @classmethod
    async def start(cls, page: Page) -> Self:
        """Keep what the call's audio element plays from now on."""
        await page.run(_START % RATE_HZ)
        return cls(page)

    async def last(self, secs: float) -> np.ndarray:
        """The latest of it, 16-bit mono at 8 kHz."""
        wide = np.frombuffer(base64.b64decode(await self._page.run(_READ)), np.float32)
        return (wide[-round(secs * RATE_HZ) :].clip(-1, 1) * 32767).astype(np.int16)


async def next_of(voices: "asyncio.Queue[Utterance]", since: float) -> np.ndarray:
    """What was said next, of what began behind ``since``."""
    while (voice := await voices.get()).started_at < since:
        pass
    return voice.pcm


async def until_heard(phrase: str, ears: Ears, sound: Callable[[], Awaitable[np.ndarray]]) -> None:
    """Listen again and again, until the phrase was said."""
    words: list[str] = []
    try:
        async with asyncio.timeout(30):
            while not words or not heard(phrase, words[-1]):
                words.append(await ears.transcribe(await sound()))
    except TimeoutError:
        raise AssertionError(f"{phrase!r} is not in {words}") from None
