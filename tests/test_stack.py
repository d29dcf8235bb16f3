"""The stack's processes start together, say when they are ready, and never outlive it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from local.check import local_problems
from local.stack.child import Child, StackError
from local.stack.plan import LiveKitAccess, child_commands, child_environments
from local.stack.ports import HOST, Ports
from local.stack.stack import Stack, StackConfig

READY = """
import os, socket, sys, time
print("hello from the child", flush=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"STATUS=loading\\nREADY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(60)
"""
DIES = "import sys; print('no such file: trunk.yaml', file=sys.stderr); sys.exit(3)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
SILENT = "import time; print('still loading', flush=True); time.sleep(60)"


def _child(tmp_path: Path, code: str, **options) -> Child:
    return Child(
        "child",
        [sys.executable, "-c", code],
        environment=dict(os.environ),
        log_path=tmp_path / "child.log",
        **options,
    )


async def test_a_child_is_ready_when_it_says_so(tmp_path: Path):
    lines: list[tuple[str, str]] = []
    child = _child(tmp_path, READY, on_line=lambda name, line: lines.append((name, line)))
    await child.start()
    try:
        await child.ready(10)
        assert child.ready_secs and child.exit_code is None
        # Whoever reads the process list sees the command itself, not the leash.
        assert READY in psutil.Process(child.pid).cmdline()
    finally:
        await child.stop(5)
    assert child.exit_code == -signal.SIGTERM
    assert ("child", "hello from the child") in lines
    assert "hello from the child" in (tmp_path / "child.log").read_text()


async def test_a_child_that_dies_first_shows_its_last_lines(tmp_path: Path):
    child = _child(tmp_path, DIES)
    await child.start()
    with pytest.raises(StackError, match=r"(?s)exit code 3.*no such file: trunk.yaml") as caught:
        await child.ready(10)
    assert caught.value.code == "child_died"
    await child.stop(1)


async def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path):
    child = _child(tmp_path, SILENT)
    await child.start()
    with pytest.raises(StackError, match=r"(?s)not ready after 1 s.*still loading"):
        await child.ready(1.0)
    await child.stop(5)


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path):
    child = _child(tmp_path, DEAF)
    await child.start()
    await child.ready(10)
    await child.stop(0.2)
    assert child.exit_code == -signal.SIGKILL
    assert not psutil.pid_exists(child.pid)


PARENT = """
import asyncio, os, sys
from pathlib import Path
from local.stack.child import Child
async def main():
    code = "import os, socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);" \\
        "s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); time.sleep(60)"
    child = Child("c", [sys.executable, "-c", code], environment=dict(os.environ),
                  log_path=Path(sys.argv[1]))
    await child.start()
    await child.ready(10)
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_children_die_with_a_stack_that_is_killed(tmp_path: Path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "c.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as it:
        assert it.stdout
        child = psutil.Process(int(it.stdout.readline()))
        it.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        child.wait(5)
    assert not child.is_running()


def test_the_leash_without_a_kernel_that_helps_watches_its_pipe(tmp_path: Path):
    leash = Path(__file__).parent.parent / "local" / "stack" / "leash.py"
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    command = [sys.executable, "-I", str(leash), "--pipe", str(os.getpid()), "15"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdin
        inner = psutil.Process(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait(5) == 128 + signal.SIGTERM
    assert not inner.is_running()


def test_ports_come_from_a_base_or_from_the_environment():
    assert Ports.chosen({}) == Ports(5060, 8080, 7880, 7882, 8090)
    assert Ports.chosen({}, 9000) == Ports(9000, 9001, 9002, 9003, 9004)
    assert Ports.chosen({"SWITCHBOARD_SIP_PORT": "5070"}) == Ports(sip=5070)


@pytest.mark.parametrize("environ, base", [({"SWITCHBOARD_API_PORT": "http"}, None), ({}, 70000)])
def test_a_port_that_is_none_is_named(environ: dict[str, str], base: int | None):
    with pytest.raises(ValueError, match="65535|is not between"):
        Ports.chosen(environ, base)


@pytest.mark.parametrize("role, kind", [("sip", socket.SOCK_DGRAM), ("api", socket.SOCK_STREAM)])
def test_a_port_in_use_is_found_with_its_role(role: str, kind: socket.SocketKind):
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind((HOST, 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        number = holder.getsockname()[1]
        free = Ports.free()
        ports = Ports(**(free.__dict__ | {role: number}))
        assert [(name, port) for name, port, _ in ports.in_use()] == [(role, number)]
        assert ports.in_use(without=(role,)) == []


async def test_a_stack_on_a_port_in_use_names_it_and_the_remedy(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, 0))
        number = holder.getsockname()[1]
        ports = Ports(**(Ports.free().__dict__ | {"sip": number}))
        stack = Stack(StackConfig(dict(os.environ), ports, tmp_path))
        with pytest.raises(StackError, match=rf"(?s)port {number} for SIP.*--port-base") as caught:
            await stack.start()
        await stack.stop()
    assert caught.value.code == "port_in_use"
    assert not (tmp_path / "up.json").exists()


async def test_a_stack_without_models_says_how_to_get_them(tmp_path: Path):
    environ = dict(os.environ) | {"SWITCHBOARD_MODELS": str(tmp_path / "none")}
    stack = Stack(StackConfig(environ, Ports.free(), tmp_path))
    with pytest.raises(StackError, match=r"(?s)missing.*local\.models"):
        await stack.start()
    await stack.stop()


async def test_a_second_stack_in_one_folder_is_refused_and_a_stale_file_removed(tmp_path: Path):
    (tmp_path / "up.json").write_text("{}")
    said: list[str] = []
    environ = dict(os.environ) | {"SWITCHBOARD_MODELS": str(tmp_path / "none")}
    first = Stack(StackConfig(environ, Ports.free(), tmp_path), on_progress=said.append)
    with pytest.raises(StackError, match="missing"):
        await first.start()
    assert "was left by a switchboard that was killed" in said[0]
    second = Stack(StackConfig(environ, Ports.free(), tmp_path))
    with pytest.raises(StackError, match="already up"):
        await second.start()
    await first.stop()
    await second.stop()


def test_secrets_travel_by_environment_and_only_to_who_needs_them(tmp_path: Path):
    livekit = LiveKitAccess.for_this_run("ws://127.0.0.1:1")
    commands = child_commands(Ports())
    environ = {"PATH": "/bin", "OPENAI_API_KEY": "sk-real", "LIVEKIT_API_SECRET": "real"}
    environ |= {"LIVEKIT_URLS": "wss://production", "LIVEKIT_API_SECRET_2": "real"}
    found = child_environments(environ, Ports(), livekit, "the-api-key", tmp_path)
    assert not [c for c in commands.values() if livekit.api_secret in c or "the-api-key" in c]
    assert "sk-real" not in str(found) and "real" not in found["exchange"]["LIVEKIT_API_SECRET"][:4]
    assert livekit.api_secret not in str(found["providers"])
    assert found["server"]["LIVEKIT_URLS"] == livekit.url
    assert not any("LIVEKIT_API_SECRET_2" in child for child in found.values())
    assert found["server"]["SWITCHBOARD_API_KEY"] == "the-api-key"
    assert livekit.api_secret not in repr(livekit)


def test_a_livekit_of_ones_own_needs_key_and_secret():
    assert LiveKitAccess.from_environment({}) is None
    with pytest.raises(ValueError, match="LIVEKIT_API_KEY and LIVEKIT_API_SECRET"):
        LiveKitAccess.from_environment({"LIVEKIT_URL": "ws://x"})


def test_check_collects_every_problem_with_a_remedy(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((HOST, 0))
        port = str(holder.getsockname()[1])
        environ = {"SWITCHBOARD_MODELS": str(tmp_path), "SWITCHBOARD_SIP_PORT": port}
        problems = local_problems(environ)
    assert {problem.where for problem in problems} >= {"models", "ports"}
    assert all(problem.message and problem.remedy for problem in problems)
    assert port in [problem.key for problem in problems]
    assert not [p for p in local_problems(environ, running=True) if p.where == "ports"]


async def test_a_stack_whose_processes_are_deaf_still_ends_in_time(tmp_path: Path):
    children = {name: _child(tmp_path, DEAF) for name in ("exchange", "providers", "server")}
    stack = Stack(StackConfig(dict(os.environ), Ports.free(), tmp_path))
    stack.children = children
    await asyncio.gather(*(child.start() for child in children.values()))
    await asyncio.gather(*(child.ready(10) for child in children.values()))
    began = time.monotonic()
    await stack.stop(grace_secs=0.4)
    assert time.monotonic() - began < 3
    assert not [child for child in children.values() if psutil.pid_exists(child.pid)]
