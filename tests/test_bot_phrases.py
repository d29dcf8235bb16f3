"""Sentences are synthesised once, before any call needs them."""

from pathlib import Path

import numpy as np
from loguru import logger

from bots.bot import Bot, Bots
from bots.config import BotConfig, Tts
from bots.phrases import RATE_HZ, phrases_of, trimmed, warm_phrases
from bots.sentences import ENGLISH
from services.phrases import PhraseStore
from tests.fakes_session import ToneTTS, tone

logger.remove()


class Voices:
    """Makes a new voice for each phrase, as a provider does."""

    def __init__(self, *, silent: bool = False):
        self.made: list[ToneTTS] = []
        self.silent = silent

    def tts(self, spec, *, voice=None, language=None):
        self.made.append(ToneTTS())
        self.made[-1].silent = self.silent
        return self.made[-1]


def desk(**keys) -> Bots:
    config = BotConfig(name="desk", tts=Tts(use="cartesia/sonic-3", voice="joe"), **keys)
    return Bots({"desk": Bot(config)})


async def test_phrases_are_synthesised_once_and_kept(tmp_path: Path):
    bots, voices, store = desk(greeting="Good evening."), Voices(), PhraseStore(tmp_path)
    assert await warm_phrases(bots, voices, store) == []
    said = [text for voice in voices.made for text in voice.said]
    assert said == list(phrases_of(bots.by_name["desk"])) and "Good evening." in said
    kept = await store.get("cartesia/sonic-3", "joe", ENGLISH.apology, RATE_HZ)
    assert kept and abs(len(kept) - len(tone(ENGLISH.apology, RATE_HZ))) < RATE_HZ * 0.02

    again = Voices()
    assert await warm_phrases(bots, again, store) == []
    assert not again.made


async def test_a_voice_that_fails_is_told_and_nothing_is_kept(tmp_path: Path):
    bots, store = desk(greeting="Good evening."), PhraseStore(tmp_path)
    failures = await warm_phrases(bots, Voices(silent=True), store)
    assert len(failures) == 1 and failures[0].startswith("desk: ")
    assert await store.get("cartesia/sonic-3", "joe", "Good evening.", RATE_HZ) is None


async def test_a_bot_without_a_voice_needs_no_phrases(tmp_path: Path):
    assert await warm_phrases(Bots({"echo": Bot(BotConfig(name="echo"))}), Voices(), None) == []


def test_the_caller_does_not_wait_for_silence_at_the_head():
    speech = np.full(2400, 9000, np.int16)
    silence = np.zeros(12000, np.int16)
    cut = trimmed(np.concatenate([silence, speech, silence]).tobytes())
    samples = np.frombuffer(cut, np.int16)
    assert np.flatnonzero(samples)[0] == 240
    assert len(samples) < 2400 + 240 + 2400 + 1
    assert trimmed(silence.tobytes()) == silence.tobytes()
