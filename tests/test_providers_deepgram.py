import asyncio
from typing import Any

import aiohttp
import numpy as np
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.deepgram.stt import DeepgramSTTService

from local.providers.mulaw import decode_mulaw, encode_mulaw
from local.providers.server import ProviderOptions, Providers
from tests.fakes_providers import RATE_HZ, Tap, fake_providers, running

# deepgram-sdk 7.17 imports a name that websockets has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

FRAME_BYTES = RATE_HZ // 50 * 2


def noise(secs: float, rate_hz: int = RATE_HZ) -> bytes:
    """Something as loud as speech."""
    chance = np.random.default_rng(1)
    return (chance.normal(0, 3000, int(secs * rate_hz))).astype(np.int16).tobytes()


def silence(secs: float) -> bytes:
    return bytes(int(secs * RATE_HZ) * 2)


class Listener:
    """One raw websocket to ``/v1/listen``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self.socket = socket

    async def hear(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), FRAME_BYTES):
            await self.socket.send_bytes(pcm[at : at + FRAME_BYTES])

    async def next(self, kind: str = "Results", **fields: Any) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                message = await self.socket.receive_json()
                if message["type"] == kind and fields.items() <= message.items():
                    return message

    async def finalize(self) -> dict[str, Any]:
        await self.socket.send_json({"type": "Finalize"})
        return await self.next(from_finalize=True)


def text_of(results: dict[str, Any]) -> str:
    return results["channel"]["alternatives"][0]["transcript"]


class Line:
    """Opens listeners and closes them with the test."""

    def __init__(self, client: aiohttp.ClientSession, providers: Providers):
        self._client = client
        self._providers = providers

    async def open(self, query: str = "sample_rate=16000", key: str = "local") -> Listener:
        url = f"http://127.0.0.1:{self._providers.port}/v1/listen?{query}"
        headers = {"Authorization": f"Token {key}"}
        return Listener(await self._client.ws_connect(url, headers=headers))


@pytest.fixture
async def line():
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        yield Line(client, providers)


async def test_a_finalize_is_answered_with_what_was_said(line: Line):
    listener = await line.open()
    await listener.hear(silence(0.5) + noise(1.0) + silence(0.2))
    results = await listener.finalize()
    assert results["is_final"]
    assert not results["speech_final"]
    # 150 ms before the first sound, one second, and the 100 ms until it was transcribed ahead.
    assert text_of(results) in ("heard 1.2 s", "heard 1.3 s")
    words = results["channel"]["alternatives"][0]["words"]
    assert [word["punctuated_word"] for word in words] == text_of(results).split()
    assert 0.45 <= words[0]["start"] <= 0.5
    assert words[-1]["end"] == pytest.approx(1.5, abs=0.05)


async def test_a_finalize_in_silence_gets_an_empty_transcript(line: Line):
    listener = await line.open()
    await listener.hear(silence(1.0))
    assert text_of(await listener.finalize()) == ""


async def test_what_comes_after_a_finalize_is_a_new_utterance(line: Line):
    listener = await line.open()
    await listener.hear(noise(1.0) + silence(0.2))
    await listener.finalize()
    await listener.hear(silence(0.5) + noise(0.5) + silence(0.2))
    results = await listener.finalize()
    assert text_of(results) in ("heard 0.7 s", "heard 0.8 s")
    assert results["start"] > 1.1


async def test_no_final_comes_unasked_before_the_clients_vad_would_ask(line: Line):
    listener = await line.open("interim_results=true")
    await listener.hear(noise(1.0) + silence(0.5))
    await listener.socket.send_json({"type": "Finalize"})
    finals = [await listener.next(is_final=True)]
    assert finals[0]["from_finalize"]


async def test_a_word_that_the_clients_vad_missed_is_final_after_700_ms(line: Line):
    listener = await line.open()
    await listener.hear(noise(0.3) + silence(0.8))
    results = await listener.next(is_final=True)
    assert results["speech_final"]
    assert not results["from_finalize"]


async def test_the_clouds_own_endpointing_can_be_imitated():
    options = ProviderOptions(endpointing="150")
    async with fake_providers(options) as providers, aiohttp.ClientSession() as client:
        listener = await Line(client, providers).open()
        await listener.hear(noise(0.5) + silence(0.25))
        assert (await listener.next(is_final=True))["speech_final"]
        assert text_of(await listener.finalize()) == ""


async def test_interims_come_while_somebody_speaks(line: Line):
    listener = await line.open("interim_results=true")
    await listener.hear(noise(0.6))
    assert text_of(await listener.next(is_final=False)).startswith("heard")


async def test_an_utterance_is_cut_before_it_is_too_long_for_the_model(line: Line):
    listener = await line.open()
    await listener.hear((noise(0.4) + silence(0.06)) * 33)
    assert text_of(await listener.next(is_final=True)).startswith("heard 15.")


async def test_eight_kilohertz_mulaw_is_understood(line: Line):
    listener = await line.open("encoding=mulaw&sample_rate=8000")
    samples = np.frombuffer(noise(1.0, 8000), np.int16)
    await listener.hear(encode_mulaw(samples))
    await listener.hear(encode_mulaw(np.zeros(1600, np.int16)))
    assert text_of(await listener.finalize()) in ("heard 1.1 s", "heard 1.2 s")


async def test_vad_events_and_the_end_of_an_utterance_come_if_asked_for(line: Line):
    listener = await line.open("vad_events=true&utterance_end_ms=300")
    await listener.hear(silence(0.4) + noise(0.5) + silence(0.4))
    assert (await listener.next("SpeechStarted"))["timestamp"] == pytest.approx(0.4, abs=0.03)
    assert (await listener.next("UtteranceEnd"))["last_word_end"] == pytest.approx(0.9, abs=0.05)


async def test_closing_the_stream_sends_the_rest_and_a_summary(line: Line):
    listener = await line.open()
    await listener.hear(noise(1.0))
    await listener.socket.send_json({"type": "CloseStream"})
    assert text_of(await listener.next(is_final=True)).startswith("heard 1.0")
    assert (await listener.next("Metadata"))["duration"] == pytest.approx(1.0)
    assert (await listener.socket.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("query", ["sample_rate=abc", "encoding=opus", "channels=7"])
async def test_a_query_that_is_not_served_is_refused_with_what_is(line: Line, query: str):
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await line.open(query)
    assert raised.value.status == 400
    assert "is not one of" in str(raised.value.headers)


async def test_an_unknown_command_is_an_error_message(line: Line):
    listener = await line.open()
    await listener.socket.send_str("nonsense")
    assert "unknown type" in (await listener.next("Error"))["description"]


def test_mulaw_survives_the_way_there_and_back():
    samples = np.arange(-30000, 30000, 37, dtype=np.int16)
    decoded = decode_mulaw(encode_mulaw(samples)).astype(int)
    assert np.all(np.abs(decoded - samples) <= np.maximum(np.abs(samples.astype(int)) // 16, 8))


# -- by the provider's own SDK, and by Pipecat's service ------------------------------------------


async def test_deepgrams_own_sdk_is_served():
    async with fake_providers() as providers:
        url = f"ws://127.0.0.1:{providers.port}"
        environment = DeepgramClientEnvironment(
            base=url.replace("ws", "http"), production=url, agent=url, agent_rest=url
        )
        client = AsyncDeepgramClient(api_key="local", environment=environment)
        got: asyncio.Queue[Any] = asyncio.Queue()
        async with client.listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=str(RATE_HZ)
        ) as connection:
            connection.on(EventType.MESSAGE, got.put_nowait)
            reading = asyncio.create_task(connection.start_listening())
            await connection.send_media(noise(1.0) + silence(0.2))
            await connection.send_finalize()
            async with asyncio.timeout(5):
                results = await got.get()
            await connection.send_close_stream()
            async with asyncio.timeout(5):
                await reading
        assert results.type == "Results"
        assert results.from_finalize
        assert results.channel.alternatives[0].transcript.startswith("heard")
        assert (await got.get()).type == "Metadata"


async def test_deepgrams_own_sdk_reads_the_reason_of_a_refusal():
    async with fake_providers() as providers:
        url = f"ws://127.0.0.1:{providers.port}"
        environment = DeepgramClientEnvironment(
            base=url.replace("ws", "http"), production=url, agent=url, agent_rest=url
        )
        client = AsyncDeepgramClient(api_key="wrong", environment=environment)
        with pytest.raises(ApiError) as raised:
            async with client.listen.v1.connect(model="nova-3"):
                pass
        assert raised.value.status_code == 401


async def speak(worker: PipelineWorker, pcm: bytes) -> None:
    """One turn of the caller, as the transport and the VAD put it into the pipeline."""
    await worker.queue_frame(VADUserStartedSpeakingFrame(start_secs=0.2))
    for at in range(0, len(pcm), FRAME_BYTES):
        frame = InputAudioRawFrame(pcm[at : at + FRAME_BYTES], RATE_HZ, 1)
        await worker.queue_frame(frame)
    await worker.queue_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))


async def test_pipecats_service_gets_one_finalized_transcript_a_turn():
    async with fake_providers() as providers:
        tap = Tap()
        service = DeepgramSTTService(
            api_key="local",
            base_url=f"ws://127.0.0.1:{providers.port}",
            ttfs_p99_latency=0.35,
        )
        async with running(service, tap) as (worker, errors):
            await speak(worker, noise(1.0) + silence(0.2))
            heard = await tap.wait(lambda frame: isinstance(frame, TranscriptionFrame))
            assert heard.text.startswith("heard")
            assert heard.finalized
        assert errors == []
        assert len(tap.of(TranscriptionFrame)) == 1
        assert not [f for f in tap.of(InterimTranscriptionFrame) if f.id > heard.id]


async def test_pipecats_service_is_told_of_a_wrong_key():
    async with fake_providers() as providers:
        service = DeepgramSTTService(
            api_key="wrong", base_url=f"ws://127.0.0.1:{providers.port}", ttfs_p99_latency=0.35
        )
        async with running(service, Tap()) as (_, errors):
            pass
        assert errors
        assert not service.is_usable


async def test_pipecats_service_hears_the_turn_after_a_cut_one():
    async with fake_providers() as providers:
        tap = Tap()
        service = DeepgramSTTService(
            api_key="local+stt.cut@0x1",
            base_url=f"ws://127.0.0.1:{providers.port}",
            ttfs_p99_latency=0.35,
        )
        async with running(service, tap) as (worker, errors):
            async with asyncio.timeout(15):
                while not tap.of(TranscriptionFrame):  # it is deaf until it has connected again
                    await speak(worker, noise(0.5) + silence(0.2))
                    await asyncio.sleep(0.2)
        assert errors
        assert tap.of(TranscriptionFrame)[0].finalized
