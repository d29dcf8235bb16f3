"""A kept sentence sounds and reads as if the TTS had just said it."""

import pytest
from pipecat.frames.frames import (
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.tests.utils import run_test

from bots.phrase_processor import PhraseFrame, PhraseProcessor


@pytest.mark.parametrize("to_the_end", [True, False])
async def test_words_travel_between_the_audio_they_belong_to(to_the_end):
    audio = bytes(range(256)) * 10
    phrase = PhraseFrame("Good evening, friend.", audio, 24000)
    phrase.interruptible = not to_the_end
    down, _ = await run_test(PhraseProcessor(), frames_to_send=[phrase])
    assert [type(f) for f in down] == [
        TTSStartedFrame,
        *[TTSTextFrame, TTSAudioRawFrame] * 3,
        TTSStoppedFrame,
        LLMAssistantPushAggregationFrame,
    ]
    assert [f.text for f in down if isinstance(f, TTSTextFrame)] == ["Good", "evening,", "friend."]
    parts = [f.audio for f in down if isinstance(f, TTSAudioRawFrame)]
    assert b"".join(parts) == audio and all(len(part) % 2 == 0 for part in parts)
    assert all(f.interruptible is not to_the_end for f in down)


async def test_everything_else_passes():
    frame = TTSTextFrame("word", text_type="word")
    down, _ = await run_test(PhraseProcessor(), frames_to_send=[frame])
    assert list(down) == [frame]
