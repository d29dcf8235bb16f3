"""What a bot's files may say, and what is told when they say something else."""

from pathlib import Path

import pytest

from bots.bot import Bots
from bots.config import BotConfig
from bots.loading import load_bots
from services.problem import Problem
from services.provider_table import PROVIDERS

ROOT = Path(__file__).parent.parent

SOUND = """\
name: desk
numbers: ["+15550111"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: {use: cartesia/sonic-3, voice: joe}
greeting: "Hello."
prompt: desk.md
"""


def load(tmp_path: Path, **files: str) -> Bots:
    """Bots from files given as ``desk_yaml=…``; a folder before two underscores."""
    for name, text in {"bots__desk_md": "You are a desk.", **files}.items():
        folder, _, stem = name.rpartition("__")
        stem, _, suffix = stem.rpartition("_")
        path = tmp_path / (folder or "bots") / f"{stem}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return load_bots(tmp_path / "bots", tmp_path / "flows")


def only(bots: Bots) -> Problem:
    assert len(bots.problems) == 1, bots.problems
    return bots.problems[0]


def test_the_bots_of_the_house_are_sound():
    bots = load_bots(ROOT / "bots", ROOT / "flows")
    assert not bots.problems
    receptionist, echo = bots.for_number("+15550100"), bots.for_number("15550199")
    assert receptionist and receptionist.name == "receptionist" and receptionist.talks
    assert echo and echo.name == "echo" and not echo.talks and echo.processors
    assert bots.for_number("+15550142") is None


def test_a_bot_with_a_prompt_needs_no_flow(tmp_path):
    bots = load(tmp_path, desk_yaml=SOUND)
    assert not bots.problems
    desk = bots.named("desk")
    assert desk and desk.prompt == "You are a desk." and desk.flow is None


@pytest.mark.parametrize("provider", sorted({p for kind in PROVIDERS.values() for p in kind}))
def test_every_provider_of_the_table_can_be_written_in_a_bot(provider):
    assert BotConfig.model_validate({"name": "a", "llm": f"{provider}/model"}).llm


def test_a_voice_may_be_one_word(tmp_path):
    text = SOUND.replace("{use: cartesia/sonic-3, voice: joe}", "cartesia/sonic-3")
    desk = load(tmp_path, desk_yaml=text).named("desk")
    assert desk and desk.config.tts and desk.config.tts.use == "cartesia/sonic-3"


def test_a_misspelt_key_names_the_right_one(tmp_path):
    problem = only(load(tmp_path, desk_yaml=SOUND.replace("greeting", "greating")))
    assert problem.key == "greating"
    assert "greeting" in problem.message and "did you mean 'greeting'?" in problem.remedy
    assert problem.where.endswith("bots/desk.yaml")


@pytest.mark.parametrize(
    "extra, key, words",
    [
        ("limits: {max_cal_secs: 5}", "limits.max_cal_secs", "did you mean 'max_call_secs'"),
        ("limits: {max_call_secs: 5}", "limits.max_call_secs", "greater than or equal to 10"),
        ("interruptions: {mode: loud}", "interruptions.mode", "'two_step' or 'vad'"),
        ("interruptions: {blip_ms: fast}", "interruptions.blip_ms", "valid integer"),
        ("recording: {consent: announce}", "recording.consent", "is not one of keep"),
        ("temper: calm", "temper", "is not one of"),
        ("flow: nowhere", "flow", "'nowhere' is not one of"),
    ],
)
def test_a_wrong_value_is_named_with_the_allowed_ones(tmp_path, extra, key, words):
    problems = load(tmp_path, desk_yaml=SOUND + extra).problems
    assert [p for p in problems if p.key == key and words in str(p)], problems


@pytest.mark.parametrize("number", ["15550100", "+0155", "5550100", "sip:x@y"])
def test_a_number_is_e164(tmp_path, number):
    problem = only(load(tmp_path, desk_yaml=SOUND.replace("+15550111", number)))
    assert problem.key == "numbers.0" and "E.164" in problem.message


def test_a_number_claimed_twice_is_an_error(tmp_path):
    other = SOUND.replace("name: desk", "name: other")
    problem = only(load(tmp_path, desk_yaml=SOUND, other_yaml=other))
    assert "+15550111 is claimed twice: by desk and by other" in problem.message


def test_all_problems_of_all_files_come_together(tmp_path):
    bots = load(
        tmp_path,
        desk_yaml=SOUND.replace("stt: deepgram/nova-3-general\n", "sst: deepgram/nova-3-general\n"),
        broken_yaml="name: [",
        twice_yaml="name: twice\nname: twice\n",
        code_yaml="name: code\n",
        code_py="import nothing_of_this_name",
        flows__lost_yaml="initial_node: a\nnodes: {b: {task_messages: []}}\n",
    )
    told = "\n".join(str(p) for p in bots.problems)
    assert "did you mean 'stt'" in told
    assert "broken.yaml: line" in told
    assert "key 'name' is given twice" in told
    assert "nothing_of_this_name" in told
    assert "initial_node 'a' is not a defined node" in told
    assert not bots.by_name


def test_a_flow_that_misses_a_tool_says_which(tmp_path):
    flow = "initial_node: a\nnodes: {a: {task_messages: [], functions: [{name: fly}]}}\n"
    text = SOUND.replace("prompt: desk.md", "flow: trip")
    problem = only(load(tmp_path, desk_yaml=text, flows__trip_yaml=flow))
    assert "'fly'" in problem.message and problem.where.endswith("flows/trip.yaml")


def test_a_bot_without_services_needs_processors(tmp_path):
    assert "processors()" in only(load(tmp_path, desk_yaml="name: desk\n")).remedy
    bots = load(tmp_path, desk_yaml="name: desk\n", desk_py="def processors(d, call): return d\n")
    assert not bots.problems and bots.named("desk")


def test_the_name_is_the_files(tmp_path):
    problem = only(load(tmp_path, desk_yaml=SOUND.replace("name: desk", "name: dusk")))
    assert problem.key == "name" and "name: desk" in problem.remedy


def test_the_hash_changes_with_any_file_of_the_bot(tmp_path):
    def bot_hash(**files: str) -> str:
        bot = load(tmp_path, desk_yaml=SOUND, **files).named("desk")
        assert bot
        return bot.bot_hash

    first = bot_hash()
    assert bot_hash() == first and len(first) == 12
    assert bot_hash(desk_md="You are a counter.") != first
    assert bot_hash(desk_py="def on_event(event): pass\n") != first


def test_an_empty_folder_is_a_problem_with_a_remedy(tmp_path):
    assert "switchboard new" in only(load_bots(tmp_path, tmp_path)).remedy


def test_provider_problems_are_told_at_the_bots_key(tmp_path):
    class NoKeys:
        def problems(self, kind, spec, *, language=None):
            return [Problem("environment", f"{kind}_KEY", f"no key for {spec}", "set it")]

    load(tmp_path, desk_yaml=SOUND)
    bots = load_bots(tmp_path / "bots", tmp_path / "flows", NoKeys())
    assert [p.key for p in bots.problems] == ["stt", "llm", "tts"]
    assert "no key for openai/gpt-4.1-mini" in bots.problems[1].message
