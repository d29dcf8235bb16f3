"""What only one call says is ready when its phone is answered."""

import asyncio

import pytest

from bots import own_phrases
from bots.bot import Bot
from bots.config import BotConfig, Tts
from bots.own_phrases import OwnPhrases
from bots.phrases import PhraseError
from bots.variables import filled
from tests.fakes_session import FakeProviders

CONFIG = BotConfig(
    name="caller",
    stt="a/b",
    llm="a/b",
    tts=Tts(use="a/b"),
    greeting="Hello {{ name }}.",
    variables={"name": None},
    prompt="x.md",
)
ADA = filled(Bot(CONFIG, prompt="x"), {"name": "Ada"})


class Kept:
    """Keeps one phrase."""

    async def get(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> bytes | None:
        return b"kept" if text == "Goodbye." else None


@pytest.fixture
def voice(monkeypatch):
    """What the voice is asked; it answers once it may."""
    said: list[str] = []
    may = asyncio.Event()

    async def synthesised(service, text: str) -> bytes:
        said.append(text)
        await may.wait()
        if "Bob" in text:
            raise PhraseError("no audio")
        return text.encode()

    monkeypatch.setattr(own_phrases, "synthesised", synthesised)
    monkeypatch.setattr(own_phrases, "trimmed", lambda pcm: pcm)
    return said, may


async def test_greeting_by_name_is_synthesised_before_it_is_needed(voice):
    said, may = voice
    phrases = OwnPhrases(Kept(), ADA, FakeProviders())
    phrases.begin()
    asking = asyncio.create_task(phrases.get("a/b", "", "Hello Ada.", 24000))
    await asyncio.sleep(0)
    assert not asking.done()
    may.set()
    assert await asking == b"Hello Ada." == await phrases.get("a/b", "", "Hello Ada.", 24000)
    assert said == ["Hello Ada."]
    assert await phrases.get("a/b", "", "Goodbye.", 24000) == b"kept"
    await phrases.close()


async def test_voice_that_fails_or_is_slow_leaves_the_sentence_to_the_moment(voice, monkeypatch):
    _, may = voice
    slow = OwnPhrases(Kept(), ADA, FakeProviders())
    slow.begin()
    monkeypatch.setattr(own_phrases, "WAIT_SECS", 0.01)
    assert await slow.get("a/b", "", "Hello Ada.", 24000) is None
    await slow.close()
    may.set()
    bob = OwnPhrases(Kept(), filled(Bot(CONFIG), {"name": "Bob"}), FakeProviders())
    bob.begin()
    monkeypatch.setattr(own_phrases, "WAIT_SECS", 1.0)
    assert await bob.get("a/b", "", "Hello Bob.", 24000) is None
    await bob.close()


async def test_bot_that_says_the_same_in_every_call_synthesises_nothing(voice):
    same = CONFIG.model_copy(update={"variables": {}, "greeting": "Hello."})
    phrases = OwnPhrases(Kept(), Bot(same), FakeProviders())
    phrases.begin()
    assert await phrases.get("a/b", "", "Hello.", 24000) is None and not voice[0]
    await phrases.close()
