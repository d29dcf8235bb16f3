"""The models of a call: what they hear early, and that a fork finds one thread."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.vad.vad_analyzer import VADState

from processors.turn_models import load_turn_models

WINDOW = bytes(1024)
LOADING = """
import os, time
import processors.echo, processors.latency_tracer, processors.recorder, processors.transcript
import processors.rechecking_turn_stop_strategy, processors.two_step_start_strategy
import services.phrases, services.providers, transports.livekit_sip
from processors.turn_models import load_turn_models
began = time.perf_counter()
models = load_turn_models()
models.warm_up()
print(len(os.listdir("/proc/self/task")), time.perf_counter() - began)
"""


@pytest.fixture
def vad():
    vad = load_turn_models().vad
    vad.set_sample_rate(16000)
    return vad


async def _hear(vad, voiced: str) -> list[VADState]:
    """One window of 32 ms for each letter, voiced if it is an x."""
    states = []
    for letter in voiced:
        vad.voice_confidence = lambda _, letter=letter: 0.9 if letter == "x" else 0.0
        states.append(await vad.analyze_audio(WINDOW))
    return states


async def test_an_onset_is_told_one_window_before_speech_is_certain(vad):
    told = []
    vad.on_onset = lambda: told.append(1)
    assert await _hear(vad, "x") == [VADState.STARTING] and not told
    assert await _hear(vad, "x") == [VADState.STARTING] and told == [1]
    assert await _hear(vad, "xxx") == [VADState.SPEAKING] * 3 and told == [1]


async def test_each_blip_is_an_onset_of_its_own(vad):
    told = []
    vad.on_onset = lambda: told.append(1)
    assert VADState.SPEAKING not in await _hear(vad, "xx..xx.x.")
    assert len(told) == 2


async def test_an_offset_is_told_before_silence_is_certain_and_again_after_speech(vad):
    told = []
    vad.on_offset = lambda: told.append(1)
    assert VADState.QUIET not in await _hear(vad, "xxxxx..") and not told
    assert await _hear(vad, ".") == [VADState.STOPPING] and told == [1]
    assert VADState.QUIET not in await _hear(vad, "xx...") and told == [1, 1]
    assert (await _hear(vad, "...."))[-1] is VADState.QUIET and told == [1, 1]


@pytest.fixture
async def turn():
    turn = load_turn_models().turn
    turn.set_sample_rate(16000)
    turn.append_audio(WINDOW, is_speech=True)
    turn.append_audio(WINDOW, is_speech=True)
    yield turn
    await turn.cleanup()


def _answers(turn, *complete: bool, probability: float = 0.9) -> list[int]:
    """The model answers so; returns how many samples it was asked about, each time."""
    asked: list[int] = []

    def predict(audio):
        asked.append(len(audio))
        return {"prediction": int(complete[len(asked) - 1]), "probability": probability}

    turn._predict_endpoint = predict
    return asked


async def test_an_end_that_was_foreseen_needs_no_further_question(turn):
    asked = _answers(turn, True)
    turn.foresee()
    turn.append_audio(WINDOW, is_speech=False)
    assert (await turn.analyze_end_of_turn())[0] is EndOfTurnState.COMPLETE
    assert len(asked) == 1 and not turn.speech_triggered


async def test_an_end_that_was_foreseen_with_doubt_is_asked_about_again(turn):
    asked = _answers(turn, True, True, probability=0.6)
    turn.foresee()
    assert (await turn.analyze_end_of_turn())[0] is EndOfTurnState.COMPLETE
    assert len(asked) == 2


async def test_a_turn_that_seemed_unfinished_is_asked_about_again_with_all_of_it(turn):
    asked = _answers(turn, False, True)
    turn.foresee()
    turn.append_audio(WINDOW, is_speech=False)
    assert (await turn.analyze_end_of_turn())[0] is EndOfTurnState.COMPLETE
    assert len(asked) == 2 and asked[1] > asked[0]


async def test_what_was_foreseen_counts_once(turn):
    asked = _answers(turn, False, False, True)
    turn.foresee()
    assert (await turn.analyze_end_of_turn())[0] is EndOfTurnState.INCOMPLETE
    assert (await turn.analyze_end_of_turn())[0] is EndOfTurnState.COMPLETE
    assert len(asked) == 3


async def test_a_quiet_caller_is_heard_like_a_loud_one(vad):
    assert vad._get_smoothed_volume(WINDOW) >= vad.params.min_volume


async def test_the_real_model_hears_no_voice_in_silence(vad):
    assert [await vad.analyze_audio(WINDOW) for _ in range(5)] == [VADState.QUIET] * 5


def test_everything_a_fork_inherits_runs_on_one_thread():
    environment = os.environ | {
        "ORT_DISABLE_TELEMETRY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADING],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    threads, secs = done.stdout.split()
    assert threads == "1" and float(secs) < 5
