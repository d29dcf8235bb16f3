"""What a person types, and what they read."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from aiohttp import web

from bots.loading import load_bots
from records.call_record import CallRecord
from records.event import Event
from records.events import (
    Answered,
    BotSpoke,
    CallEnded,
    CallerJoined,
    CallStarted,
    ErrorRaised,
    ToolCalled,
    ToolReturned,
    TurnEnded,
)
from records.log import EventLog
from records.store import CallStore
from records.wav import StereoWavWriter
from server import bot_commands, local_programs
from server import serve as serve_module
from server.cli import main
from tests.fakes_server import ROOT, FakeLiveKit, until


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("SWITCHBOARD_", "LIVEKIT_")) or name.endswith(("_API_KEY", "_URL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for module in (serve_module, bot_commands):
        monkeypatch.setattr(module, "set_up_logs", lambda *_: None)
    monkeypatch.setenv("SWITCHBOARD_API_PORT", "9")  # nobody answers there
    return monkeypatch


async def kept_call(data, call_id: str = "abc123") -> CallRecord:
    data.mkdir(exist_ok=True)
    store = await CallStore.open(f"sqlite:///{data}/switchboard.db")
    events: list[Event] = []
    log = EventLog(call_id, events.append)
    log.add(CallStarted, room="room-1")
    log.add(CallerJoined, caller="+15557777", dialled="+15550100", bot="receptionist")
    log.add(Answered)
    log.add(BotSpoke, turn=0, text="Blue Door, good evening.", interrupted=True)
    log.add(TurnEnded, turn=1, text="A table please.")
    log.add(ToolCalled, tool_call_id="t", name="find_tables", arguments={})
    log.add(ToolReturned, tool_call_id="t", name="find_tables", secs=0.5, error="too late")
    log.add(ErrorRaised, source="LLM", message="429")
    log.add(CallEnded, outcome="completed", reason="bot")
    for event in events:
        await store.append(event)
    record = CallRecord.fold(events)
    await store.save(record)
    await store.close()
    return record


@pytest.fixture
def record(tmp_path):
    return asyncio.run(kept_call(tmp_path / ".switchboard"))


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["check"], ["calls"], ["tape"], ["talk"], ["new"]]
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0 and "usage: switchboard" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["calls", "--lmit"], ["dance"], [], ["tape"]])
def test_what_is_not_understood_is_refused(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(command)
    assert exit_.value.code == 2 and "usage: switchboard" in capsys.readouterr().err


def test_calls_are_listed_from_the_store_when_no_server_answers(record, capsys):
    assert main(["calls"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert line.startswith("abc123") and "receptionist" in line and line.endswith("completed")
    assert main(["calls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [record.model_dump(mode="json")]


def test_a_call_is_shown_by_the_head_of_its_id(record, capsys):
    assert main(["calls", "abc"]) == 0
    text = capsys.readouterr().out
    for part in (
        "+15557777 dialled +15550100",
        "A table please.",
        "[interrupted]",
        "429",
        "too late",
    ):
        assert part in text
    assert main(["calls", "abc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["call_id"] == "abc123"


def test_a_call_that_is_not_there_is_said(record, capsys):
    assert main(["calls", "xyz"]) == 1
    assert "there is no call 'xyz'" in capsys.readouterr().err


def test_without_server_and_store_the_remedy_is_named(capsys):
    assert main(["calls"]) == 1
    assert "SWITCHBOARD_DATA" in capsys.readouterr().err
    assert main(["calls", "--limit", "0"]) == 2


async def serve_calls(record: CallRecord, key: str) -> tuple[web.AppRunner, str]:
    async def handler(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {key}":
            return web.Response(status=401)
        return web.json_response({"calls": [record.model_dump(mode="json")]})

    app = web.Application()
    app.router.add_get("/calls", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize("key, status", [("up-key", 0), ("another", 1)])
async def test_calls_are_read_from_the_stack_that_is_up(tmp_path, capsys, key, status):
    record = CallRecord(call_id="live", started_at=datetime.now(UTC))
    runner, url = await serve_calls(record, "up-key")
    (tmp_path / ".switchboard").mkdir()
    (tmp_path / ".switchboard/up.json").write_text(json.dumps({"api": url, "api_key": key}))
    assert await asyncio.to_thread(main, ["calls"]) == status
    printed = capsys.readouterr()
    assert "running" in printed.out if status == 0 else "another key" in printed.err
    await runner.cleanup()


def test_a_tape_is_measured(tmp_path, capsys):
    path = tmp_path / "tape.wav"
    noise = np.random.default_rng(1).normal(0, 4000, 16000).astype(np.int16)
    silence = np.zeros(16000, np.int16)
    with StereoWavWriter(path, 8000) as wav:
        wav.write(np.concatenate([noise, silence]), np.concatenate([silence, noise]))
    assert main(["tape", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["duration_secs"] == 4.0
    assert main(["tape", str(path)]) == 0
    assert "recording    4.000 s at 8000 Hz" in capsys.readouterr().out


def test_a_tape_that_is_none_is_refused(tmp_path, capsys):
    (tmp_path / "x.wav").write_bytes(b"not a wav file at all")
    assert main(["tape", str(tmp_path / "x.wav")]) == 1
    assert main(["tape", str(tmp_path / "nowhere.wav")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "up"])
def test_the_stand_ins_are_named_when_they_are_missing(command, capsys, monkeypatch):
    monkeypatch.setattr(local_programs, "EXTRA_MARKER", "not_installed_here")
    assert main([command]) == 1
    assert "pip install 'switchboard[local]'" in capsys.readouterr().err


def test_arguments_are_passed_on_to_the_stand_ins(monkeypatch):
    became: list[list[str]] = []
    monkeypatch.setattr(local_programs.os, "execv", lambda _, arguments: became.append(arguments))
    main(["up", "--port-base", "20000", "--json"])
    assert became == [[sys.executable, "-m", "local.stack", "--port-base", "20000", "--json"]]


def test_a_server_without_livekit_says_what_is_missing(capsys, environment):
    environment.setenv("SWITCHBOARD_API_HOST", "0.0.0.0")
    assert main(["serve"]) == 1
    err = capsys.readouterr().err
    names = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "SWITCHBOARD_API_KEY")
    assert all(name in err for name in names)


def test_a_server_with_a_wrong_setting_says_which(capsys, environment):
    environment.setenv("SWITCHBOARD_MAX_CALLS", "many")
    assert main(["serve"]) == 1
    assert "SWITCHBOARD_MAX_CALLS" in capsys.readouterr().err


def test_a_new_bot_is_written_and_loads(capsys, environment, tmp_path):
    assert main(["new", "front_desk"]) == 0
    written = capsys.readouterr().out.split()
    assert "bots/front_desk.yaml" in written and all((tmp_path / name).exists() for name in written)
    assert main(["new", "front_desk"]) == 1
    assert "exists already" in capsys.readouterr().err
    for provider in ("DEEPGRAM", "OPENAI", "CARTESIA"):
        environment.setenv(f"{provider}_API_KEY", "k")
    assert load_bots(tmp_path / "bots", tmp_path / "flows").named("front_desk")


@pytest.mark.parametrize("name", ["Front", "../x", "class"])
def test_a_name_that_cannot_be_a_bot_is_refused(capsys, name):
    assert main(["new", name]) == 1
    assert "is no name for a bot" in capsys.readouterr().err


def test_a_bot_that_is_not_there_cannot_be_talked_to(capsys):
    assert main(["new", "front_desk"]) == 0
    assert main(["talk", "nobody"]) == 1
    assert "'nobody' is not one of the bots that load: " in capsys.readouterr().err


SERVE = "import sys; from server.serve import serve; sys.exit(serve(session=sys.argv[1]))"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_tells_when_it_is_ready_and_ends_its_call_politely(
    environment, tmp_path, number
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.setblocking(False)
        async with FakeLiveKit() as livekit:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", SERVE, "tests.fakes_server:load_session"),
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": str(tmp_path / "notify"),
                    "LIVEKIT_URL": livekit.url,
                    "LIVEKIT_API_KEY": "devkey",
                    "LIVEKIT_API_SECRET": "s" * 32,
                    "SWITCHBOARD_API_PORT": "0",
                    "SWITCHBOARD_WARM_CALLS": "1",
                },
                stderr=subprocess.PIPE,
            )
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(20):
                assert await loop.sock_recv(notified, 99) == b"READY=1"
                await livekit.offer("AJ_1", "room-1")
                await livekit.assign("AJ_1", "room-1")
                await livekit.next("update_job")
                process.send_signal(number)
                assert await loop.sock_recv(notified, 99) == b"STOPPING=1"
                if number == signal.SIGTERM:  # it waits for the call
                    await until(lambda: livekit.statuses[-1].status)
                    await livekit.send(termination={"job_id": "AJ_1"})
                _, err = await process.communicate()
            assert process.returncode == 0, err
            assert livekit.deleted == ["room-1"]
    store = await CallStore.open(f"sqlite:///{tmp_path}/.switchboard/switchboard.db")
    assert [record.reason for record in await store.calls()] == ["politely"]
    await store.close()
    assert (tmp_path / ".switchboard/api_key").stat().st_mode & 0o777 == 0o600


async def test_bots_that_do_not_load_stop_the_server_with_their_problems(environment, capfd):
    for name, value in (("URL", "ws://127.0.0.1:9"), ("API_KEY", "k"), ("API_SECRET", "s" * 32)):
        environment.setenv(f"LIVEKIT_{name}", value)
    environment.setenv("SWITCHBOARD_API_PORT", "0")
    session = "tests.fakes_server:load_misconfigured"
    assert await asyncio.to_thread(_without_signals, environment, session) == 1
    assert "numbers: '+1' is claimed twice" in capfd.readouterr().err


def _without_signals(monkeypatch, session: str) -> int:
    # Signal handlers belong to the main thread, which runs the test's own loop.
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", lambda *_: None)
    return serve_module.serve(session=session)
