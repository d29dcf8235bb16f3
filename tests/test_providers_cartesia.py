import asyncio
import base64
from typing import Any

import aiohttp
import numpy as np
import pytest
from pipecat.frames.frames import (
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.services.cartesia.tts import CartesiaTTSService

from local.providers.sentences import split_clauses, split_sentences, take_ready
from local.providers.server import Providers
from local.providers.speech_edges import Mark, trim_lead, trim_tail, word_times
from tests.fakes_providers import Tap, fake_providers, running

FORMAT = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}


class Speaker:
    """One raw websocket to ``/tts/websocket``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self.socket = socket

    async def say(self, text: str, context: str = "c", **more: Any) -> None:
        message = {
            "transcript": text,
            "context_id": context,
            "continue": False,
            "output_format": FORMAT,
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
        }
        await self.socket.send_json({**message, **more})

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """All messages up to one of this kind."""
        got: list[dict[str, Any]] = []
        async with asyncio.timeout(5):
            while not got or got[-1]["type"] != kind:
                got.append(await self.socket.receive_json())
        return got


def audio_of(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(m["data"]) for m in messages if m["type"] == "chunk")


@pytest.fixture
async def speaker():
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{providers.port}/tts/websocket"
        yield Speaker(await client.ws_connect(url, headers={"X-API-Key": "local"}))


async def test_a_sentence_comes_in_small_chunks_with_the_times_of_its_words(speaker: Speaker):
    await speaker.say("one two three four")
    messages = await speaker.until("done")
    assert {message["context_id"] for message in messages} == {"c"}
    assert len(audio_of(messages)) == pytest.approx(0.4 * 24000 * 2, abs=4)
    longest = max(len(base64.b64decode(m["data"])) for m in messages if m["type"] == "chunk")
    assert longest <= 0.08 * 24000 * 2
    (times,) = [m["word_timestamps"] for m in messages if m["type"] == "timestamps"]
    assert times["words"] == ["one", "two", "three", "four"]
    assert times["start"][0] == 0
    assert times["end"][-1] == pytest.approx(0.4)


async def test_a_second_sentence_goes_on_in_time(speaker: Speaker):
    await speaker.say("one two", **{"continue": True})
    await speaker.say("three four", **{"continue": True})
    await speaker.say("")
    times = [m for m in await speaker.until("done") if m["type"] == "timestamps"]
    assert times[1]["word_timestamps"]["start"][0] == pytest.approx(0.2, abs=0.01)


async def test_tokens_are_gathered_into_sentences(speaker: Speaker):
    for token in ("One ", "two. ", "Three ", "four"):
        await speaker.say(token, **{"continue": True, "max_buffer_delay_ms": None})
    await speaker.say("", **{"max_buffer_delay_ms": None})
    times = [m for m in await speaker.until("done") if m["type"] == "timestamps"]
    assert [m["word_timestamps"]["words"] for m in times] == [["One", "two."], ["Three", "four"]]


async def test_tokens_that_stop_coming_are_spoken_all_the_same(speaker: Speaker):
    await speaker.say("One two", **{"continue": True, "max_buffer_delay_ms": 20})
    assert (await speaker.until("timestamps"))[-1]["word_timestamps"]["words"] == ["One", "two"]


async def test_a_cancelled_context_falls_silent_and_the_next_speaks(speaker: Speaker):
    await speaker.say("one " * 50, "old", **{"continue": True})
    await speaker.until("chunk")
    await speaker.socket.send_json({"context_id": "old", "cancel": True})
    await speaker.say("two", "new")
    messages = await speaker.until("done")
    first = next(i for i, message in enumerate(messages) if message["context_id"] == "new")
    assert {message["context_id"] for message in messages[first:]} == {"new"}


async def test_an_empty_context_is_done_at_once(speaker: Speaker):
    await speaker.say("")
    assert len(await speaker.until("done")) == 1


async def test_what_cannot_be_spoken_is_an_error_of_its_context(speaker: Speaker):
    await speaker.say("unspeakable")
    assert (await speaker.until("error"))[-1]["status_code"] == 500
    await speaker.say("one", "next")
    await speaker.until("done")


async def test_a_format_that_is_not_served_is_refused_with_those_that_are(speaker: Speaker):
    await speaker.say("one", output_format={"container": "mp3"})
    assert "pcm_mulaw" in (await speaker.until("error"))[-1]["message"]
    await speaker.socket.send_str("nonsense")
    assert (await speaker.until("error"))[-1]["status_code"] == 400


@pytest.mark.parametrize(("encoding", "width"), [("pcm_f32le", 4), ("pcm_mulaw", 1)])
async def test_other_encodings_have_the_same_length(speaker: Speaker, encoding: str, width: int):
    output = {"container": "raw", "encoding": encoding, "sample_rate": 8000}
    await speaker.say("one two", output_format=output)
    audio = audio_of(await speaker.until("done"))
    assert len(audio) == pytest.approx(0.2 * 8000 * width, abs=width)


async def test_the_speed_is_honoured(speaker: Speaker):
    await speaker.say("one two", generation_config={"speed": 2.0})
    assert len(audio_of(await speaker.until("done"))) == pytest.approx(0.1 * 48000, abs=4)


async def test_the_times_of_a_telephone_line_lie_in_the_audio(speaker: Speaker):
    await speaker.say("one two three", output_format={**FORMAT, "sample_rate": 8000})
    messages = await speaker.until("done")
    secs = len(audio_of(messages)) / 16000
    (times,) = [m["word_timestamps"] for m in messages if m["type"] == "timestamps"]
    assert times["end"][-1] <= secs + 0.01


def test_sentences_are_not_cut_after_abbreviations():
    text = "Dr. Patel is in. He sees you at 7 p.m. on Friday! Is that all right?"
    assert split_sentences(text) == [
        "Dr. Patel is in.",
        "He sees you at 7 p.m. on Friday!",
        "Is that all right?",
    ]


def test_long_sentences_have_clauses_and_short_ones_none():
    assert split_clauses("Yes, of course.") == ["Yes, of course."]
    long = "I could offer you half past six, or a quarter past nine, whatever suits you better."
    assert len(split_clauses(long)) == 3


def test_a_sentence_is_ready_once_something_follows_it():
    assert take_ready("It is seven.", clauses=False) == ("", "It is seven.")
    assert take_ready("It is seven. And", clauses=False) == ("It is seven.", "And")
    assert take_ready("If it suits you, I", clauses=True) == ("If it suits you,", "I")


def test_words_get_the_times_of_their_phonemes():
    marks = [Mark("a", 0.1, 0.2), Mark("b", 0.2, 0.4), Mark(" ", 0.4, 0.4), Mark("c", 0.4, 0.7)]
    assert word_times(["ab", "c"], marks, 0.1, 0.6) == ([0.0, 0.3], [0.3, 0.6])
    assert word_times(["a", "b", "c"], marks, 0.1, 0.6)[0] == [0.0, 0.2, 0.4]


def test_silence_is_cut_from_both_ends():
    samples = np.zeros(1000, np.float32)
    samples[400:600] = 0.5
    led, cut = trim_lead(samples, 1000)
    assert cut == pytest.approx(0.39)
    assert len(trim_tail(led, 1000, last=True)) == 610 - 390 - 1 + 110
    assert trim_lead(np.zeros(10, np.float32), 1000)[1] is None


# -- by Pipecat's service -------------------------------------------------------------------------


def service(providers: Providers, key: str = "local") -> CartesiaTTSService:
    return CartesiaTTSService(
        api_key=key,
        url=f"ws://127.0.0.1:{providers.port}/tts/websocket",
        settings=CartesiaTTSService.Settings(voice="joe"),
    )


async def test_pipecats_service_speaks_with_word_times():
    async with fake_providers() as providers:
        tap = Tap()
        async with running(service(providers), tap) as (worker, errors):
            await worker.queue_frame(TTSSpeakFrame("One two three. Four five."))
            await tap.wait(lambda frame: isinstance(frame, TTSStoppedFrame))
        audio = b"".join(frame.audio for frame in tap.of(TTSAudioRawFrame))
        assert len(audio) == pytest.approx(0.5 * 48000, abs=8)
        assert "".join(f.text for f in tap.of(TTSTextFrame)).replace(" ", "").startswith("Onetwo")
        assert errors == []


async def test_pipecats_service_speaks_again_after_an_interruption():
    async with fake_providers() as providers:
        tap = Tap()
        async with running(service(providers), tap) as (worker, errors):
            await worker.queue_frame(TTSSpeakFrame("One " * 40 + "."))
            await tap.wait(lambda frame: isinstance(frame, TTSAudioRawFrame))
            await worker.queue_frame(InterruptionFrame())
            tap.frames.clear()
            await worker.queue_frame(TTSSpeakFrame("Two."))
            await tap.wait(lambda frame: isinstance(frame, TTSTextFrame) and "Two" in frame.text)
        assert errors == []


async def test_pipecats_service_is_told_of_a_wrong_key():
    async with fake_providers() as providers:
        async with running(service(providers, "wrong"), Tap()) as (_, errors):
            pass
        assert errors
        assert "wrong" not in errors[0].error.split("HTTP")[0]


async def test_pipecats_service_connects_again_after_a_refused_handshake():
    async with fake_providers() as providers:
        tap = Tap()
        key = "local+tts.status=500x1"
        async with running(service(providers, key), tap) as (worker, errors):
            await worker.queue_frame(TTSSpeakFrame("One two."))
            await tap.wait(lambda frame: isinstance(frame, TTSAudioRawFrame))
        assert errors
        assert providers.faults.fired == {"tts.status": 1}
