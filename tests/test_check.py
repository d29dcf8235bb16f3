"""Every problem is named at once, with its remedy."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from server import check as check_module
from server import local_programs
from server.check import all_problems, check
from server.livekit_access import LiveKitAccess
from server.livekit_check import livekit_problems
from services.problem import Problem
from tests.fakes_server import ROOT, FakeLiveKit

SOUND = {
    "LIVEKIT_URL": "ws://127.0.0.1:9",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "very-secret-secret-of-32-characters",
    "SWITCHBOARD_API_PORT": "0",
}
ECHO = 'name: echo\nnumbers: ["+15550199"]\n'


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch):
    monkeypatch.setattr(check_module, "set_up_logs", lambda *_: None)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """A sound installation in ``tmp_path``: its echo bot, nothing local."""
    for name in list(os.environ):
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_")) or name.endswith(("_API_KEY", "_URL")):
            monkeypatch.delenv(name)
    for name, value in SOUND.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check_module, "local_problems", lambda *_: [])
    monkeypatch.setattr(check_module, "livekit_problems", lambda _: [])
    for folder in ("bots", "flows"):
        Path(folder).mkdir()
    for file in ("echo.yaml", "echo.py"):
        Path("bots", file).write_text((ROOT / "bots" / file).read_text())
    return monkeypatch


def named(problems: list[Problem]) -> set[str]:
    assert all(problem.message and problem.remedy for problem in problems)
    return {problem.key for problem in problems}


def test_a_sound_installation_has_no_problem(environment, capsys):
    assert check(as_json=False) == 0
    assert capsys.readouterr().out == "no problems\n"


def test_all_problems_are_named_together(environment, capsys):
    environment.delenv("LIVEKIT_URL")
    environment.delenv("LIVEKIT_API_SECRET")
    environment.setenv("SWITCHBOARD_API_HOST", "0.0.0.0")
    environment.setenv("SWITCHBOARD_WARM_CALL", "3")
    for file in ("echo.yaml", "echo.py"):
        Path("bots", file.replace("echo", "again")).write_text(
            Path("bots", file).read_text().replace("name: echo", "name: again")
        )
    Path("bots/odd.yaml").write_text("name: odd\ngreting: hello\n")
    assert check(as_json=True) == 1
    problems = [Problem(**problem) for problem in json.loads(capsys.readouterr().out)]
    assert named(problems) >= {
        "LIVEKIT_URL",
        "LIVEKIT_API_SECRET",
        "SWITCHBOARD_API_KEY",
        "SWITCHBOARD_WARM_CALL",
        "greting",
    }
    text = " ".join(str(problem) for problem in problems)
    assert "did you mean SWITCHBOARD_WARM_CALLS?" in text and "very-secret" not in text
    assert "+15550199" in text  # the number that two bots claim


def test_a_wrong_value_and_a_local_problem_are_both_named(environment):
    environment.setenv("SWITCHBOARD_MAX_CALLS", "many")
    lacking = Problem("models", "piper", "missing", "make models")
    environment.setattr(check_module, "local_problems", lambda *_: [lacking])
    assert named(all_problems()) == {"SWITCHBOARD_MAX_CALLS", "piper"}


def test_an_address_that_is_none_is_named(environment):
    environment.setenv("LIVEKIT_URL", "127.0.0.1:7880")
    assert named(all_problems()) == {"LIVEKIT_URL"}


def test_a_missing_provider_key_is_named(environment):
    bot = ECHO.replace("echo", "talker").replace("199", "198")
    lines = (
        "stt: deepgram/nova-3-general",
        "llm: openai/gpt-4.1-mini",
        "tts: {use: cartesia/sonic-3, voice: katie}",
        "greeting: hello",
        "prompt: talker.md",
    )
    Path("bots/talker.yaml").write_text(bot + "\n".join(lines))
    Path("bots/talker.md").write_text("Be brief.\n")
    text = " ".join(str(problem) for problem in all_problems())
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "CARTESIA_API_KEY"):
        assert name in text


def test_a_port_in_use_is_named_once(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment.setenv("SWITCHBOARD_API_PORT", port)
        local = [Problem("ports", port, "in use", "move it"), Problem("ports", "1", "too", "move")]
        environment.setattr(check_module, "local_problems", lambda *_: local)
        problems = all_problems()
    assert sorted(problem.key for problem in problems) == sorted([port, "1"])


def test_the_stand_ins_are_asked_in_a_process_of_their_own(monkeypatch):
    found = local_programs.local_problems()
    assert all(isinstance(problem, Problem) and problem.remedy for problem in found)
    monkeypatch.setattr(local_programs, "EXTRA_MARKER", "not_installed_here")
    assert local_programs.local_problems() == []


async def test_each_livekit_that_cannot_be_used_is_named(environment):
    environment.undo()
    async with FakeLiveKit() as well:
        secret = SecretStr(SOUND["LIVEKIT_API_SECRET"])
        urls = (well.url, "ws://127.0.0.1:9")
        accesses = [LiveKitAccess(url, "devkey", secret) for url in urls]
        (problem,) = await asyncio.to_thread(livekit_problems, accesses)
        assert problem.key == "ws://127.0.0.1:9" and "does not answer" in problem.message
        well.status = 406
        assert len(await asyncio.to_thread(livekit_problems, accesses)) == 2
        well.status, well.list_status = 200, 401
        refused, _ = await asyncio.to_thread(livekit_problems, accesses)
        assert refused.message == "refuses the key 'devkey'"
