"""Desks: who is called, when, and what is wrong with a file that says it badly."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from bots.config import BotConfig
from bots.desk_words import caller_words, offer_of
from bots.desks import Desk, Desks, load_desks
from bots.escalation import escalation_problems, ready_globals

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = {
    "zone": "Europe/Berlin",
    "open": {"mon-fri": ["09:00-12:00", "13:00-17:30"], "sat": "10:00-12:00", "sun-sun": []},
    "holidays": ["2026-12-24", "05-01"],
}


def desk(name: str = "front_desk", **keys: object) -> Desk:
    return Desk.model_validate(
        {"name": name, "title": "us", "numbers": ["+15550180"], "hours": HOURS, **keys}
    )


def load(tmp_path: Path, text: str) -> tuple[Desks, list[str]]:
    (tmp_path / "desks.yaml").write_text(text)
    desks, problems = load_desks(tmp_path)
    return desks, [f"{p.key}: {p}" for p in problems]


@pytest.mark.parametrize(
    "when, is_open",
    [
        ("2026-11-20 09:00", True),  # a Friday
        ("2026-11-20 08:59", False),
        ("2026-11-20 12:00", False),
        ("2026-11-20 13:30", True),
        ("2026-11-20 17:30", False),
        ("2026-11-21 11:59", True),  # Saturday
        ("2026-11-22 11:00", False),  # Sunday
        ("2026-12-24 10:00", False),  # a Thursday, and a holiday
        ("2027-05-01 10:30", False),  # a Saturday, and a holiday of every year
    ],
)
def test_a_desk_keeps_its_hours_and_holidays(when: str, is_open: bool):
    now = datetime.fromisoformat(when).replace(tzinfo=BERLIN)
    assert desk().is_open(now) is is_open
    assert desk().is_open(now.astimezone(UTC)) is is_open
    assert desk(hours=None).is_open(now)


def test_the_first_open_desk_is_called_and_a_closed_one_is_named():
    night = datetime(2026, 11, 20, 22, 0, tzinfo=BERLIN)
    closed, always = desk("closed"), desk("always", hours=None)
    desks = Desks({"closed": closed, "always": always})
    assert desks.choose(["closed", "always"], night) == (always, True)
    assert desks.choose(["closed"], night) == (closed, False)
    assert desks.choose(["nowhere"], night) == (None, False)


GOOD = 'desks: [{name: front_desk, title: us, numbers: ["+15550180"]}]'


def test_a_sound_file_has_no_problems_and_no_file_has_no_desks(tmp_path: Path):
    assert load_desks(tmp_path) == (Desks(), [])
    desks, problems = load(tmp_path, GOOD)
    assert not problems and desks.by_name["front_desk"].ring_secs == 25


@pytest.mark.parametrize(
    "text, words",
    [
        ("desks: []", "at least 1"),
        ("desks: [{name: a}]", "title"),
        (GOOD.replace("title: us", "title: us, rings: 3"), "'rings' is not one of"),
        (GOOD.replace('"+15550180"', '"0180"'), "numbers"),
        (GOOD.replace('"+15550180"', '"sip:desk@pbx"'), "by its number"),
        (GOOD.replace("}]", ", mode: hot}]"), "'warm' or 'cold'"),
        (GOOD.replace("}]", ", hours: {zone: Mars, open: {}}}]"), "no time zone"),
        (GOOD.replace("}]", ", hours: {zone: UTC, open: {mo: '09:00-10:00'}}}]"), "no day"),
        (GOOD.replace("}]", ", hours: {zone: UTC, open: {mon: '9-10'}}}]"), "no span"),
        (GOOD.replace("}]", ", hours: {zone: UTC, open: {mon: '10:00-09:00'}}}]"), "no span"),
        (GOOD.replace("}]", ", hours: {zone: UTC, open: {}, holidays: [Easter]}}]"), "no day"),
        (GOOD[:-1] + ", " + GOOD[8:], "twice"),
    ],
)
def test_a_wrong_desk_is_told_with_its_remedy(tmp_path: Path, text: str, words: str):
    _, problems = load(tmp_path, text)
    assert any(words in problem for problem in problems), problems


def bot_config(**keys: object) -> BotConfig:
    talks = {"stt": "deepgram/x", "llm": "openai/x", "tts": "cartesia/x", "flow": "reservation"}
    return BotConfig.model_validate({"name": "a", **talks, **keys})


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"escalation": {"to": "front_dsk"}}, "did you mean 'front_desk'?"),
        ({"escalation": {"to": "front_desk"}, "tts": None}, "talks"),
        ({"escalation": {"to": "front_desk"}, "flow": None, "prompt": "a.md"}, "needs a flow"),
    ],
)
def test_an_escalation_that_cannot_work_is_told(keys: dict[str, object], words: str):
    desks = Desks({"front_desk": desk()})
    problems = [*escalation_problems(Path("bots/a.yaml"), bot_config(**keys), desks)]
    assert any(words in str(problem) for problem in problems), problems
    assert not [*escalation_problems(Path("bots/a.yaml"), bot_config(), desks)]


def test_a_flow_gets_the_tool_unless_it_names_it():
    asks = bot_config(escalation={"to": ["front_desk"]})
    only_key = bot_config(escalation={"to": "front_desk", "on": ["key_0"]})
    named = [
        (asks, frozenset(), 1),
        (asks, frozenset({"transfer_to_human"}), 0),
        (only_key, frozenset(), 0),
        (bot_config(), frozenset(), 0),
    ]
    for config, tools, count in named:
        bot = SimpleNamespace(config=config, tools=tools)
        assert len(ready_globals(bot)) == count  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tools, offer",
    [
        ({"take_message", "schedule_callback"}, "both"),
        ({"take_message"}, "take_message"),
        ({"schedule_callback"}, "schedule_callback"),
        (set(), "neither"),
    ],
)
@pytest.mark.parametrize("language", ["en-US", "de-DE", "fi"])
def test_every_failure_has_a_sentence_and_an_offer(tools: set[str], offer: str, language: str):
    assert offer_of(tools) == offer
    words = caller_words(language)
    for outcome in ("busy", "no_answer", "voicemail", "declined", "unknown", "refused", "failed"):
        alone = words.failed(outcome, offer, None)
        assert len(alone) > 20 and words.offers[offer] in alone
        assert "us" in words.failed(outcome, offer, desk()) != alone
