"""Silence costs the VAD nothing and changes nothing that it says."""

import asyncio
import os

import numpy as np
import pytest
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState

from local.callers.scenario import VoiceSpec
from local.callers.voice import Voice
from local.models import models_folder, piper_voice
from processors.onset_vad import OnsetVAD
from processors.silent_windows import PEAK, is_silent
from processors.turn_models import load_turn_models

RATE_HZ = 16000
SENTENCES = ("I want to book a table for four people on Tuesday at seven.", "Yes, please.")
GAPS_SECS = (0.02, 0.4, 1.0, 2.5, 0.1, 5.0, 0.7, 3.0)


class EveryWindow(OnsetVAD):
    """Asks the model about every window, as Pipecat does."""

    def voice_confidence(self, buffer: bytes) -> float:
        return SileroVADAnalyzer.voice_confidence(self, buffer)


@pytest.fixture(scope="module")
def speech() -> list[np.ndarray]:
    models = models_folder(os.environ)
    voice = Voice(
        VoiceSpec(words_per_minute=195),
        piper_model=piper_voice(models),
        cache_dir=models.parent / "caller-lines",
    )
    return list(asyncio.run(voice.render(list(SENTENCES))).values())


def call_with_gaps(speech: list[np.ndarray], noise: int) -> np.ndarray:
    """Sentences with silence between them; ``noise`` is its peak."""
    rng = np.random.default_rng(1)
    parts = []
    for i, secs in enumerate(GAPS_SECS):
        silence = rng.uniform(-1, 1, int(secs * RATE_HZ)) * noise
        parts += [silence.astype(np.int16), speech[i % len(speech)]]
    return np.concatenate(parts)


async def heard(vad: OnsetVAD, pcm: np.ndarray) -> tuple[list[VADState], list[float], int]:
    """States after each 20 ms, confidences of each window, and how often the model was asked."""
    vad.set_sample_rate(RATE_HZ)
    confidences, asked = [], []
    judge, model = vad.voice_confidence, vad._model

    def noted(buffer: bytes) -> float:
        confidences.append(float(np.asarray(judge(buffer)).item()))
        return confidences[-1]

    class Counted:
        def __call__(self, x, rate_hz):
            asked.append(1)
            return model(x, rate_hz)

        def __getattr__(self, name):
            return getattr(model, name)

        def __setattr__(self, name, value):
            setattr(model, name, value)

    vad.voice_confidence, vad._model = noted, Counted()  # pyright: ignore
    frames = [pcm[i : i + 320].tobytes() for i in range(0, len(pcm), 320)]
    states = [await vad.analyze_audio(frame) for frame in frames]
    return states, confidences, len(asked)


async def test_silence_between_sentences_is_judged_as_the_model_would(speech):
    pcm = call_with_gaps(speech, 0)
    params = load_turn_models().vad.params
    ours, full = OnsetVAD(params=params), EveryWindow(params=params)
    states, confidences, asked = await heard(ours, pcm)
    expected, all_confidences, all_asked = await heard(full, pcm)
    assert states == expected
    assert confidences == all_confidences  # to the last bit
    assert VADState.SPEAKING in states
    assert asked < 0.8 * all_asked


async def test_a_silent_line_never_asks_the_model():
    models = load_turn_models()
    models.warm_up()
    states, _, asked = await heard(models.vad, np.zeros(RATE_HZ * 10, np.int16))
    assert set(states) == {VADState.QUIET} and asked == 0


async def test_faint_noise_hides_no_more_speech_than_before(speech):
    pcm = call_with_gaps(speech, PEAK)
    params = load_turn_models().vad.params
    states, _, asked = await heard(OnsetVAD(params=params), pcm)
    before, _, all_asked = await heard(EveryWindow(params=params), pcm)
    assert states.count(VADState.SPEAKING) >= before.count(VADState.SPEAKING)
    assert asked < 0.8 * all_asked


@pytest.mark.parametrize(
    "peak, silent", [(0, True), (PEAK, True), (-PEAK, True), (PEAK + 1, False), (-PEAK - 1, False)]
)
def test_silence_lies_below_60_dbfs(peak, silent):
    assert is_silent(np.array([0, peak, 0], np.int16).tobytes()) is silent
