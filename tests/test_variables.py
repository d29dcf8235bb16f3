"""What a call is about reaches what the bot says."""

from dataclasses import replace
from pathlib import Path

import pytest

from bots.bot import Bot
from bots.config import BotConfig, Tts
from bots.loading import load_bots
from bots.phrases import phrases_of
from bots.variables import MissingVariableError, filled, placeholders, rendered, said_in_all

CONFIG = BotConfig(
    name="reminder",
    stt="a/b",
    llm="a/b",
    tts=Tts(use="a/b"),
    greeting="Hello {{ name }}, this is about {{what}}.",
    variables={"name": None, "what": "your appointment"},
    prompt="x.md",
)
BOT = Bot(CONFIG, prompt="You call {{ name }}. Write \\{{ name }} literally.")


def test_call_fills_what_the_bot_says():
    bot = filled(BOT, {"name": "Ada"})
    assert bot.config.greeting == "Hello Ada, this is about your appointment."
    assert bot.prompt == "You call Ada. Write {{ name }} literally."
    assert bot.variables == {"name": "Ada", "what": "your appointment"}
    assert BOT.config.greeting.startswith("Hello {{ name }}"), "the next call fills it anew"


def test_given_value_wins_over_the_default_and_an_empty_one_does_not():
    assert filled(BOT, {"name": "Ada", "what": "a parcel"}).variables["what"] == "a parcel"
    assert filled(BOT, {"name": "Ada", "what": ""}).variables["what"] == "your appointment"


def test_call_without_a_needed_value_says_which():
    with pytest.raises(MissingVariableError, match="reminder needs a value for name"):
        filled(BOT, {"what": "x"})


def test_bot_without_variables_is_itself():
    bot = Bot(BotConfig(name="echo"))
    assert filled(bot, {"name": "Ada"}) is bot


def test_value_that_looks_like_a_variable_is_not_filled_again():
    assert rendered("{{ a }}", {"a": "{{ b }}", "b": "x"}) == "{{ b }}"
    assert list(placeholders("{{ a }} \\{{ b }} {{a}} { { c } }")) == ["a", "a"]


def test_only_a_greeting_that_is_the_same_in_every_call_is_kept_as_audio():
    assert list(said_in_all(BOT)) == []
    assert all("{{" not in phrase for phrase in phrases_of(BOT))
    defaults = CONFIG.model_copy(update={"variables": {"name": "there", "what": "a parcel"}})
    same = replace(BOT, config=defaults)
    assert list(said_in_all(same)) == ["Hello there, this is about a parcel."]
    assert "Hello there, this is about a parcel." in list(phrases_of(same))


YAML = """
name: caller
stt: a/b
llm: a/b
tts: a/b
greeting: "Hello {{ name }}"
prompt: caller.md
"""


@pytest.mark.parametrize(
    "more, key, message",
    [
        ("", "greeting", "'{{ name }}' is not one of the bot's variables (none)"),
        ("variables: {nam: x}", "greeting", "'{{ name }}' is not one of"),
        ("variables: {name: }", "prompt", "'{{ shop }}' is not one of"),
        (
            'variables: {name: , shop: x}\nnumbers: ["+15550100"]',
            "variables",
            "name: nobody gives a value when the bot is called",
        ),
        ("variables: {Name: x}", "variables.Name", ""),
    ],
)
def test_wrong_variables_are_problems_of_the_bot(tmp_path: Path, more, key, message):
    (tmp_path / "caller.yaml").write_text(YAML + more)
    (tmp_path / "caller.md").write_text("You sell for {{ shop }}.")
    problems = load_bots(tmp_path, tmp_path / "flows").problems
    assert any(p.key.startswith(key) and message in p.message for p in problems), problems


def test_right_variables_are_no_problem(tmp_path: Path):
    (tmp_path / "caller.yaml").write_text(YAML + "variables: {name: , shop: Blue Door}")
    (tmp_path / "caller.md").write_text("You sell for {{ shop }}.")
    assert not load_bots(tmp_path, tmp_path / "flows").problems
