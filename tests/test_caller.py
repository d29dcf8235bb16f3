"""What a simulated caller says, hears and understands, without a line."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from local.callers.listener import Listener, level_dbfs
from local.callers.phrases import heard
from local.callers.scenario import ScenarioError, load_scenario, parse_scenario
from local.callers.steps import Expect, Say

GOOD = {"name": "x", "dial": "+15550100", "steps": [{"say": "Hello."}]}


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def test_a_scenario_is_read_with_its_steps_in_order(tmp_path: Path):
    scenario = load_scenario(
        _file(
            tmp_path,
            """
            name: short
            dial: "+15550100"
            steps:
              - expect: [good evening]
              - say: Hi.
              - {say: "No, wait.", over_bot_after: 0.7}
              - keys: "12#"
              - hang_up: true
            """,
        )
    )
    assert [type(step).__name__ for step in scenario.steps] == [
        "Expect",
        "Say",
        "Say",
        "Keys",
        "HangUp",
    ]
    assert scenario.lines() == ["Hi.", "No, wait."]
    assert isinstance(scenario.steps[0], Expect) and isinstance(scenario.steps[2], Say)
    assert scenario.steps[2].over_bot_after == 0.7


@pytest.mark.parametrize(
    "change, words",
    [
        ({"dail": "+1"}, "dail"),
        ({"dial": "not a number"}, "dial"),
        ({"steps": [{"sya": "Hi."}]}, "exactly one of say, chat, expect"),
        ({"steps": [{"say": "Hi.", "over_bot": 1}]}, "over_bot"),
        ({"steps": [{"say": "Hi.", "at_once": True, "over_bot_after": 1}]}, "exclude each other"),
        ({"steps": [{"keys": "12x"}]}, "keys"),
        ({"steps": [{"wait": -1}]}, "wait"),
        ({"steps": []}, "at least one"),
        ({"voice": {"shift": 9}}, "voice.shift"),
    ],
)
def test_a_misspelt_scenario_names_its_problem(change: dict, words: str):
    with pytest.raises(ScenarioError, match=words):
        parse_scenario(GOOD | change)


def test_all_problems_of_a_scenario_come_at_once():
    with pytest.raises(ScenarioError) as caught:
        parse_scenario({"name": "", "dial": "x", "steps": [{"sya": 1}, {"wait": 0}]}, "f.yaml")
    assert len(str(caught.value).splitlines()) == 4


def test_a_file_that_is_missing_or_no_yaml_says_so(tmp_path: Path):
    with pytest.raises(ScenarioError, match="No such file"):
        load_scenario(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="is no YAML"):
        load_scenario(_file(tmp_path, "a: [b"))


@pytest.mark.parametrize(
    "phrase, text",
    [
        ("good evening", "Blue Door. Good evening, how can I help?"),
        ("table for 4", "So that is a table for four on Friday."),
        ("seven thirty", "At 7:30 in the evening."),
        ("twenty one", "There are 21 seats."),
        ("goodbye | bye bye", "Thank you, and good-bye."),
        ("at 7 pm", "We have a table at seven p.m. then."),
        ("reservation", "Your reservations are made."),
    ],
)
def test_a_phrase_is_heard_though_recognised_a_little_differently(phrase: str, text: str):
    assert heard(phrase, text)


@pytest.mark.parametrize(
    "phrase, text",
    [
        ("table for 4", "So that is a table for five on Friday."),
        ("good evening", "We open at eleven on Sundays."),
        ("goodbye", ""),
        ("Friday", "See you on Monday."),
    ],
)
def test_another_thing_is_not_taken_for_the_phrase(phrase: str, text: str):
    assert not heard(phrase, text)


def _frames(pcm: np.ndarray, began: float = 100.0):
    for i in range(0, len(pcm) - 159, 160):
        yield pcm[i : i + 160], began + i / 8000


def _tone(secs: float, level: int = 8000) -> np.ndarray:
    return (level * np.sin(np.arange(int(secs * 8000)) * 0.6)).astype(np.int16)


def _silence(secs: float) -> np.ndarray:
    return np.zeros(int(secs * 8000), np.int16)


def test_two_utterances_are_heard_with_their_exact_times():
    line = np.concatenate(
        [_silence(1.0), _tone(0.5), _silence(0.8), _silence(0.003), _tone(0.3), _silence(1.0)]
    )
    listener = Listener(silence_secs=0.5)
    utterances = [u for f, at in _frames(line) if (u := listener.hear(f, at))]
    assert [(round(u.started_at, 2), round(u.ended_at, 2)) for u in utterances] == [
        (101.0, 101.5),
        (102.3, 102.6),
    ]
    assert len(utterances[0].pcm) >= 4000


def test_a_soft_onset_is_not_heard_late():
    swell = np.linspace(0.0, 1.0, 2400) * _tone(0.3)
    line = np.concatenate([_silence(0.5), swell.astype(np.int16), _tone(0.3), _silence(0.6)])
    listener = Listener(silence_secs=0.5)
    (utterance,) = [u for f, at in _frames(line) if (u := listener.hear(f, at))]
    assert utterance.started_at == pytest.approx(100.5 + 0.3 * 327 / 8000, abs=0.005)


def test_a_pause_inside_a_sentence_does_not_end_it():
    line = np.concatenate([_tone(0.4), _silence(0.4), _tone(0.4), _silence(0.7)])
    listener = Listener(silence_secs=0.5)
    utterances = [u for f, at in _frames(line) if (u := listener.hear(f, at))]
    assert len(utterances) == 1
    assert utterances[0].ended_at == pytest.approx(101.2, abs=0.002)


def test_a_call_that_ends_mid_word_cuts_the_utterance_there():
    listener = Listener()
    for frame, at in _frames(_tone(0.4)):
        assert listener.hear(frame, at) is None
    assert listener.speaking_since == pytest.approx(100.0, abs=0.001)
    utterance = listener.cut()
    assert utterance and utterance.ended_at == pytest.approx(100.4, abs=0.002)
    assert listener.cut() is None


def test_noise_below_the_gate_is_no_speech():
    noise = np.random.default_rng(1).normal(0, 80, 16000).astype(np.int16)
    listener = Listener()
    assert not [u for f, at in _frames(noise) if (u := listener.hear(f, at))]
    assert listener.speaking_since is None


def test_levels_are_in_decibels_of_full_scale():
    assert level_dbfs(_silence(0.1)) == -96.0
    assert level_dbfs(_tone(1.0, 32767)) == pytest.approx(-3.0, abs=0.1)
