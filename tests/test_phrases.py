"""Phrases that are synthesised once."""

import asyncio

import pytest

from services.phrases import PhraseStore

PHRASE = ("cartesia/sonic-3", "katie", "Good evening.", 16000)


async def test_a_phrase_is_synthesised_once_and_kept(tmp_path):
    calls = []

    async def synthesize() -> bytes:
        calls.append(1)
        await asyncio.sleep(0.01)
        return b"\1\0" * 100

    store = PhraseStore(tmp_path / "phrases")
    assert await store.get(*PHRASE) is None
    both = await asyncio.gather(*(store.ensure(*PHRASE, synthesize) for _ in range(3)))
    assert both == [b"\1\0" * 100] * 3 and len(calls) == 1
    assert await PhraseStore(tmp_path / "phrases").get(*PHRASE) == b"\1\0" * 100


async def test_another_voice_or_rate_is_another_phrase(tmp_path):
    store = PhraseStore(tmp_path)

    async def synthesize() -> bytes:
        return b"\1\0"

    await store.ensure(*PHRASE, synthesize)
    assert await store.get("cartesia/sonic-3", "joe", "Good evening.", 16000) is None
    assert await store.get("cartesia/sonic-3", "katie", "Good evening.", 24000) is None


async def test_a_failed_synthesis_keeps_nothing(tmp_path):
    async def refuse() -> bytes:
        raise ConnectionError("refused")

    async def silent() -> bytes:
        return b""

    store = PhraseStore(tmp_path)
    with pytest.raises(ConnectionError):
        await store.ensure(*PHRASE, refuse)
    with pytest.raises(ValueError, match="gave no audio"):
        await store.ensure(*PHRASE, silent)
    assert list(tmp_path.iterdir()) == []
