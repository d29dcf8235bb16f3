"""The real models behind the three protocols, in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import aiohttp
import numpy as np
import pytest
import soxr
from pipecat.frames.frames import (
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService

from local.model_files import WHISPER_FILES
from local.models import missing, models_folder, piper_voice
from local.providers.piper_voice import PiperVoice
from tests.fakes_providers import FLOWS, RATE_HZ, Tap, providers_process, running

MODELS = models_folder(os.environ)
pytestmark = [
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
    pytest.mark.skipif(
        bool(missing(MODELS)), reason="speech models are missing: python -m local.models"
    ),
]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with providers_process(tmp_path_factory.mktemp("providers")) as (_, port):
        yield port


async def spoken(port: int, text: str) -> tuple[np.ndarray, Tap, float]:
    """The voice's audio at 16 kHz, the frames, and the seconds to the first of them."""
    tap = Tap()
    voice = CartesiaTTSService(
        api_key="local",
        url=f"ws://127.0.0.1:{port}/tts/websocket",
        settings=CartesiaTTSService.Settings(voice="joe"),
    )
    async with running(voice, tap) as (worker, errors):
        begin = monotonic()
        await worker.queue_frame(TTSSpeakFrame(text))
        await tap.wait(lambda frame: isinstance(frame, TTSAudioRawFrame))
        first_secs = monotonic() - begin
        await tap.wait(lambda frame: isinstance(frame, TTSStoppedFrame))
    assert errors == []
    audio = b"".join(frame.audio for frame in tap.of(TTSAudioRawFrame))
    samples = np.frombuffer(audio, np.int16).astype(np.float32) / 32768
    return soxr.resample(samples, 24000, RATE_HZ), tap, first_secs


async def heard(port: int, samples: np.ndarray) -> tuple[TranscriptionFrame, float]:
    """The transcript of one turn, and the seconds from VAD stop to it; faster than real time."""
    tap = Tap()
    ears = DeepgramSTTService(
        api_key="local", base_url=f"ws://127.0.0.1:{port}", ttfs_p99_latency=0.35
    )
    pause = np.zeros(RATE_HZ // 5, np.float32)
    pcm = (np.concatenate([pause, samples, pause]) * 32767).astype(np.int16).tobytes()
    async with running(ears, tap) as (worker, errors):
        await worker.queue_frame(VADUserStartedSpeakingFrame(start_secs=0.2))
        for at in range(0, len(pcm), 640):
            await worker.queue_frame(InputAudioRawFrame(pcm[at : at + 640], RATE_HZ, 1))
        begin = monotonic()
        await worker.queue_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
        transcript = await tap.wait(lambda frame: isinstance(frame, TranscriptionFrame))
        secs = monotonic() - begin
    assert errors == []
    return transcript, secs


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("I would like to book a table for four people.", {"book", "table", "people"}),
        ("Tomorrow evening, please.", {"tomorrow", "evening"}),
    ],
)
async def test_what_the_voice_says_the_recogniser_hears(port: int, said: str, words: set[str]):
    samples, _, _ = await spoken(port, said)
    transcript, _ = await heard(port, samples)
    assert transcript.finalized
    assert words <= set(transcript.text.lower().strip(".,?!").replace(",", "").split())


async def test_the_voice_names_its_words_in_order_and_falls_silent_soon(port: int):
    said = "We have a table for you. Shall I book it?"
    samples, tap, first_secs = await spoken(port, said)
    assert " ".join(frame.text for frame in tap.of(TTSTextFrame)).split() == said.split()
    secs = len(samples) / RATE_HZ
    assert 1.5 < secs < 5
    assert np.max(np.abs(samples[-RATE_HZ // 50 :])) < 0.05
    assert np.max(np.abs(samples[: RATE_HZ // 10])) > 0.01  # no silence at its head
    assert first_secs < 2


def test_windows_sound_as_the_whole_sentence_would():
    voice = PiperVoice(piper_voice(MODELS))
    phonemes = voice._phonemizer.phonemize("We have a table for you tomorrow evening.")[0]
    prior, _ = voice._text_to_prior(phonemes, 1.0)
    nothing, frames = prior[:, :, :0], prior.shape[2]
    whole = voice._more_latent(prior, nothing, frames)
    pieced = voice._more_latent(prior, voice._more_latent(prior, nothing, 52), frames)
    assert np.max(np.abs(whole - pieced)) < 1e-5
    cuts = [0, 40, 120, frames]
    windows = [
        voice._latent_to_sound(pieced, at, until) for at, until in zip(cuts, cuts[1:], strict=False)
    ]
    sound = voice._latent_to_sound(whole, 0, frames)
    assert np.max(np.abs(sound - np.concatenate(windows))) < 1e-4


async def test_silence_is_no_word(port: int):
    async with aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port}/v1/listen?sample_rate=16000"
        async with client.ws_connect(url, headers={"Authorization": "Token local"}) as socket:
            await socket.send_bytes(bytes(RATE_HZ * 2))
            await socket.send_json({"type": "Finalize"})
            results = await socket.receive_json(timeout=10)
    assert results["channel"]["alternatives"][0]["transcript"] == ""


@pytest.mark.skipif(
    bool(missing(MODELS, WHISPER_FILES)),
    reason="Whisper is missing: python -m local.models --whisper",
)
async def test_whisper_hears_as_well(port: int, tmp_path: Path):
    samples, _, _ = await spoken(port, "I would like to book a table for four people.")
    with providers_process(tmp_path, "--stt", "whisper") as (_, whisper_port):
        transcript, _ = await heard(whisper_port, samples)
    assert "table" in transcript.text.lower()


def run_providers(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.providers", "--rules", str(FLOWS), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_named(port: int):
    done = run_providers("--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_models_are_named_with_the_remedy(tmp_path: Path):
    done = run_providers("--port", "0", "--models", str(tmp_path))
    assert done.returncode == 1
    assert "python -m local.models" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_rules_are_named_with_file_and_key(tmp_path: Path):
    (tmp_path / "pirates.rules.yaml").write_text("prompt_contains: Pirates\n")
    done = run_providers("--port", "0", "--rules", str(tmp_path))
    assert done.returncode == 1
    assert "pirates.rules.yaml: greeting" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_ends_the_process_at_once(tmp_path: Path):
    with providers_process(tmp_path) as (process, _):
        begin = monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert monotonic() - begin < 5
