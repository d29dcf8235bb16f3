"""What the documentation says exists, loads and is complete."""

import ast
import importlib
import inspect
import re
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from livekit.rtc import _ffi_client
from livekit.rtc.track import Track
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroOnnxModel, SileroVADAnalyzer
from pipecat.flows import FlowConfig
from pipecat.frames.frames import InputDTMFFrame, TTSSpeakFrame
from pipecat.tests.utils import run_test

from bots.config import BotConfig
from bots.desks import DeskFile
from bots.loading import load_bots
from bots.problems import StrictLoader
from bots.scaffold import new_bot
from flows.code_file import load_code_file
from local.bench.__main__ import PARTS
from local.callers.scenario import Scenario, parse_scenario
from local.callers.steps import STEPS
from local.exchange.config import ExchangeConfig
from local.providers.fault_rules import KINDS, FaultRule
from local.providers.rules import Rules
from records.events import AnyEvent
from records.outcomes import OUTCOMES
from server.cli import main
from server.openapi import DESCRIPTION
from server.provision_file import Telephony
from server.settings import known_names
from services.provider_table import ACCESS_NAMES, PROVIDERS
from transports.call_info import CallInfo

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text() for page in PAGES}
ENV_EXAMPLE = (ROOT / ".env.example").read_text()

FOREIGN_VARIABLES = {
    # Read by LiveKit's and the SIP bridge's containers or by the tests against a deployment.
    *("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_AGENT_NAME"),
    *("LIVEKIT_URLS", "LIVEKIT_API_KEY_2", "LIVEKIT_API_SECRET_2"),
    *("LIVEKIT_WEBHOOK_LISTEN", "SIP_ADDRESS", "NOTIFY_SOCKET", "OPENAI_UPSTREAM_API_KEY"),
    "XDG_CACHE_HOME",
}
TRUNK_VARIABLES = {
    name
    for path in [ROOT / "docker" / "telephony.yaml", *(ROOT / "docker" / "trunks").glob("*.yaml")]
    for name in re.findall(r"\$\{(\w+)\}", path.read_text())
}
PROVIDER_VARIABLES = {
    f"{name.upper()}_{suffix}" for name in ACCESS_NAMES for suffix in ("API_KEY", "BASE_URL", "URL")
}
VARIABLE = re.compile(r"\b(?:[A-Z][A-Z0-9]*_)+(?:[A-Z0-9]+)\b")


def blocks(language: str) -> list[tuple[str, str]]:
    """Fenced blocks of one language, with the page and line they begin on."""
    return [
        (f"{name}:{text[: found.start()].count(chr(10)) + 1}", found[1])
        for name, text in TEXT.items()
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def params(found: list[tuple[str, str]]) -> list:
    return [pytest.param(text, id=where) for where, text in found]


def load_example(data: dict) -> object:
    """Judge a YAML example by the schema that its keys show."""
    if "steps" in data:
        return parse_scenario(data)
    if "desks" in data:
        return DeskFile.model_validate(data)
    if "initial_node" in data:
        return FlowConfig.model_validate(data)
    if "prompt_contains" in data:
        return Rules.model_validate(data)
    if "trunks" in data or "rules" in data:
        return ExchangeConfig.model_validate(data)
    if {"inbound_trunks", "outbound_trunks", "dispatch_rules"} & data.keys():
        return Telephony.model_validate(data)
    return BotConfig.model_validate(data)


@pytest.mark.parametrize("text", params(blocks("yaml")))
def test_every_example_loads_by_its_strict_schema(text):
    assert load_example(yaml.load(text, StrictLoader))


def test_examples_of_every_kind_are_there():
    kinds = {type(load_example(yaml.load(text, StrictLoader))) for _, text in blocks("yaml")}
    assert kinds == {DeskFile, BotConfig, FlowConfig, Rules, ExchangeConfig, Scenario, Telephony}


def test_the_bot_in_the_readme_is_the_shipped_one():
    (shown,) = [
        yaml.load(text, StrictLoader) for where, text in blocks("yaml") if "README" in where
    ]
    shipped = yaml.load((ROOT / "bots" / "receptionist.yaml").read_text(), StrictLoader)
    assert shown.items() <= shipped.items()


@pytest.mark.parametrize("text", params(blocks("python")))
def test_every_python_example_is_python(text):
    ast.parse(text)


async def test_the_first_bot_works_as_it_is_told(tmp_path):
    (tmp_path / "bots").mkdir()
    shipped = [tmp_path / "bots" / f"{name}.yaml" for name in ("receptionist", "echo")]
    for path in shipped:
        shutil.copy(ROOT / "bots" / path.name, path)
    new_bot("front_desk", tmp_path)
    for path in shipped:
        path.unlink()
    tool, processors, _ = [text for where, text in blocks("python") if "first-bot" in where]
    (flow,) = [
        text for where, text in blocks("yaml") if "first-bot" in where and "initial_node" in text
    ]
    code = tmp_path / "flows" / "front_desk.py"
    code.write_text(code.read_text() + "\n\n" + tool)
    (tmp_path / "flows" / "front_desk.yaml").write_text(flow)
    (tmp_path / "bots" / "front_desk.py").write_text(processors)
    bots = load_bots(tmp_path / "bots", tmp_path / "flows")
    assert not bots.problems
    bot = bots.for_number("+15550101")
    assert bot and bot.processors
    result, _ = await load_code_file(code).admission(SimpleNamespace(), visitors=3)
    assert result["total"] == 36
    first, key, last = bot.processors(["in", "out"], CallInfo(""))
    assert (first, last) == ("in", "out")
    pressed = InputDTMFFrame(button=KeypadEntry.ZERO)
    down, _ = await run_test(key, frames_to_send=[pressed])
    assert [f.text for f in down if isinstance(f, TTSSpeakFrame)]


@pytest.mark.parametrize("page", TEXT)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT[page]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path
        assert there.exists(), f"{page}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page}: {target}"


def test_the_index_names_every_page():
    for folder in ("docs", "docs/trunks"):
        for page in (ROOT / folder).glob("*.md"):
            assert page.name == "index.md" or f"({page.name})" in TEXT[f"{folder}/index.md"]


@pytest.mark.parametrize("page", TEXT)
def test_every_file_named_is_there(page):
    folders = "bots|docker|docs|flows|local|processors|records|server|services|tests|transports"
    shown = set(re.findall(rf"`((?:{folders})/[\w./*-]+)`", TEXT[page]))
    written_by_the_reader = {"front_desk", "NAME"}
    for path in shown:
        if not any(name in path for name in written_by_the_reader):
            assert list(ROOT.glob(path.rstrip("/"))), f"{page}: {path}"


def variables(text: str) -> set[str]:
    """Names that look like variables of the environment."""
    endings = ("_API_KEY", "_URL", "_SECRET", "_PORT", "_NAME", "_SOCKET", "_ADDRESS", "_LISTEN")
    starts = ("SWITCHBOARD_", "LIVEKIT_", "XDG_")
    found = {n for n in VARIABLE.findall(text) if n.startswith(starts) or n.endswith(endings)}
    return found - {"NAME_API_KEY", "NAME_BASE_URL", "NAME_URL"}


@pytest.mark.parametrize("page", [*TEXT, ".env.example"])
def test_every_variable_named_is_read_by_someone(page):
    text = ENV_EXAMPLE if page == ".env.example" else TEXT[page]
    known = known_names() | PROVIDER_VARIABLES | TRUNK_VARIABLES | FOREIGN_VARIABLES
    assert not variables(text) - known


def test_every_setting_is_documented():
    assert known_names() <= variables(TEXT["docs/configuration.md"])


def test_the_example_environment_has_every_setting_of_the_server():
    beside_it = {"MODELS", "SIP_PORT", "LIVEKIT_PORT", "MEDIA_PORT", "PROVIDERS_PORT"}
    ours = known_names() - {f"SWITCHBOARD_{name}" for name in beside_it}
    assert ours <= variables(ENV_EXAMPLE)


def test_every_key_of_a_bot_is_documented():
    page = TEXT["docs/configuration.md"]
    for name, field in BotConfig.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        for key in [f"{name}.{key}" for key in inner] or [name]:
            assert f"`{key}`" in page, key


def test_every_provider_is_documented():
    for kind, names in PROVIDERS.items():
        assert f"| `{kind}` | {', '.join(sorted(names))} |" in TEXT["docs/configuration.md"]


def commands(capsys) -> set[str]:
    with pytest.raises(SystemExit):
        main(["--help"])
    return set(re.findall(r"^    ([\w-]+) ", capsys.readouterr().out, re.MULTILINE))


def test_every_command_named_exists_and_every_command_is_named(capsys):
    known = commands(capsys)
    assert len(known) >= 8
    named = {
        command
        for text in [*TEXT.values(), ENV_EXAMPLE]
        for command in re.findall(r"(?:`|bin/|&& |^)switchboard ([\w-]+)", text, re.MULTILINE)
    }
    assert named <= known
    assert all(re.search(rf"`(switchboard )?{name}\b", TEXT["README.md"]) for name in known)


def test_every_target_of_make_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page, text in TEXT.items():
        for named in re.findall(r"(?:`|^)make ([a-z]+(?: [a-z]+)*)", text, re.MULTILINE):
            assert set(named.split()) <= targets, f"{page}: make {named}"


def test_every_part_of_the_bench_is_explained():
    assert all(f"`{part}`" in TEXT["docs/figures.md"] for part in PARTS)


def test_every_request_and_every_event_is_in_the_page_of_the_api():
    page = TEXT["docs/http-api.md"]
    for path, operations in DESCRIPTION["paths"].items():
        for method in set(operations) - {"parameters"}:
            assert re.search(rf"`{method.upper()} {re.escape(path)}[`?]", page), (method, path)
    for event in AnyEvent.__origin__.__args__:
        assert f"`{event.model_fields['type'].default}`" in page


def test_faults_steps_and_outcomes_are_listed():
    faults = TEXT["docs/local-stand-ins.md"]
    assert all(f"`{name}`" in faults for name in [*KINDS, *FaultRule.model_fields])
    assert all(outcome in TEXT["docs/how-a-call-travels.md"] for outcome in OUTCOMES)
    assert STEPS.keys() >= {"say", "expect", "keys", "bot_hangs_up"}  # shown in first-bot.md


@pytest.mark.parametrize("page", [*TEXT, ".env.example", "CHANGELOG.md"])
def test_no_page_names_a_registry_or_a_place_on_somebodys_machine(page):
    text = (ROOT / page).read_text()
    assert not re.search(r"pypi\.|pythonhosted|registry\.|artifactory|index-url", text)
    assert not re.search(r"(?<![\w.:/-])/(?:home|root|work|tmp|Users|mnt)/", text)


# Private names of Pipecat and LiveKit

FOREIGN = ("pipecat", "livekit")


def _modules() -> list[ModuleType]:
    folders = ("transports", "processors", "bots")
    left_out = {"__init__"} | ({"sound_card"} if find_spec("pyaudio") is None else set())
    paths = [p for f in folders for p in sorted((ROOT / f).glob("*.py")) if p.stem not in left_out]
    return [importlib.import_module(f"{p.parent.name}.{p.stem}") for p in paths]


def _private_names_used(module: ModuleType) -> set[str]:
    """Private names of a foreign base class that the module's source mentions."""
    tree = ast.parse(inspect.getsource(module))
    used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    used |= {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found: set[str] = set()
    for kind in vars(module).values():
        if inspect.isclass(kind) and kind.__module__ == module.__name__:
            bases = [b for b in kind.__mro__ if b.__module__.split(".")[0] in FOREIGN]
            theirs = {name for base in bases for name in _attributes(base)}
            found |= {n for n in used & theirs if n.startswith("_") and not n.startswith("__")}
    return found


@cache
def _attributes(kind: type) -> set[str]:
    return set(vars(kind)) | set(re.findall(r"self\.(_\w+)", inspect.getsource(kind)))


def test_every_private_name_in_use_is_listed():
    page = TEXT["docs/pipecat-private.md"]
    for module in _modules():
        for name in _private_names_used(module):
            assert f"`{name}" in page, f"{module.__name__}: {name}"


def test_every_private_name_listed_is_still_there_upstream():
    used = set().union(*map(_private_names_used, _modules()))
    of_other_objects = {
        "_model": SileroVADAnalyzer,
        "_predict_endpoint": LocalSmartTurnAnalyzerV3,
        "_session": LocalSmartTurnAnalyzerV3,
        "_ffi_handle": Track,
        "_state": SileroOnnxModel,
        "_context": SileroOnnxModel,
        "_last_sr": SileroOnnxModel,
        "_last_batch_size": SileroOnnxModel,
    }
    for name, kind in of_other_objects.items():
        assert name in _attributes(kind)
    assert callable(_ffi_client.get_ffi_lib)
    listed = set(re.findall(r"`(?:\w+\.)?(_\w+)", TEXT["docs/pipecat-private.md"]))
    assert listed <= used | set(of_other_objects) | {"_pyaudio"}  # the last needs a sound card
