"""Whole calls by real SIP on the real stack: whatever goes wrong, one record and nothing left."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.callers.phone import Phone
from local.callers.phrases import heard
from local.sip.errors import SipCallError
from local.stack.api import Api, ApiError
from local.stack.child import Child, StackError
from local.stack.plan import LiveKitAccess, child_commands, child_environments
from local.stack.ports import Ports
from local.stack.stack import Stack
from records.events import ToolCalled
from tests.fakes_room import until
from tests.line import ECHO, NOBODY, RECEPTIONIST, Line, open_line, stack_config

# The stack outlives each test, and so does the loop that reads its processes.
in_module = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parent.parent
TABLE = "Hi, I'd like to book a table for four on Saturday at eight."
HELLO = "Hello, can you hear me?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    async with open_line(tmp_path_factory.mktemp("stack"), [TABLE, HELLO]) as line:
        yield line


@pytest_asyncio.fixture(loop_scope="module")
async def line(whole: Line) -> AsyncIterator[Line]:
    """The line; behind each test nothing of its calls may be left."""
    yield whole
    await whole.faults([])
    await asyncio.gather(*(call.hangup() for call in whole.endpoint.calls))
    await whole.is_clean()


async def _answered(line: Line, number: str) -> tuple[Phone, str]:
    phone, caller = line.dial(number)
    await phone.answered(10)
    return phone, caller


async def _greeted(line: Line) -> tuple[Phone, str]:
    phone, caller = await _answered(line, RECEPTIONIST)
    await phone.bot_is_quiet(since=0, quiet_secs=0.6, within_secs=5)
    return phone, caller


@in_module
async def test_the_echo_sends_the_callers_own_words_back(line: Line):
    phone, caller = await _answered(line, ECHO)
    await phone.say(line.lines[HELLO])
    await phone.bot_is_quiet(since=0, quiet_secs=0.6, within_secs=5)
    await phone.hang_up()
    record = await line.record(caller)
    assert record["outcome"] == "caller_hung_up" and record["bot"] == "echo"
    assert heard("can you hear me", await line.words(phone))
    assert phone.call.media.stats.lost == 0


@in_module
async def test_two_callers_at_once_hear_their_own_bots(line: Line):
    (guest, guest_number), (echoed, echoed_number) = await asyncio.gather(
        _greeted(line), _answered(line, ECHO)
    )
    await asyncio.gather(guest.say(line.lines[TABLE]), echoed.say(line.lines[HELLO]))
    answered_at = await guest.bot_speaks(
        since=guest.bot_last_voiced_at or 0, for_secs=1.5, within_secs=8
    )
    assert answered_at > (guest.answered_at or 0)
    await asyncio.gather(guest.hang_up(), echoed.hang_up())
    records = [await line.record(guest_number), await line.record(echoed_number)]
    assert [record["bot"] for record in records] == ["receptionist", "echo"]
    assert heard("look | one moment | check", await line.words(guest))
    assert heard("can you hear me", await line.words(echoed))


@in_module
async def test_a_number_that_no_bot_claims_is_busy(line: Line):
    phone, caller = line.dial(NOBODY)
    with pytest.raises(SipCallError) as refused:
        await phone.answered(10)
    assert refused.value.status == 486
    assert (await line.record(caller))["outcome"] == "rejected"


@in_module
async def test_a_caller_who_hangs_up_while_it_rings(line: Line):
    phone, caller = line.dial(RECEPTIONIST)
    await phone.call.wait_ringing()
    await phone.hang_up()
    record = await line.record(caller)
    assert record["outcome"] == "caller_hung_up" and record["answered_at"] is None


@in_module
async def test_a_caller_who_hangs_up_in_the_greeting(line: Line):
    phone, caller = await _answered(line, RECEPTIONIST)
    await phone.bot_speaks(since=0, for_secs=1.0, within_secs=5)
    await phone.hang_up()
    record = await line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    (greeting,) = phone.heard
    assert 0.9 < greeting.ended_at - greeting.started_at < 1.5


@in_module
async def test_a_caller_who_hangs_up_in_the_middle_of_a_word(line: Line):
    phone, caller = await _greeted(line)
    phone.start_saying(line.lines[TABLE])
    await asyncio.sleep(1.2)
    await phone.hang_up()
    assert (await line.record(caller))["outcome"] == "caller_hung_up"


@in_module
async def test_a_caller_who_hangs_up_in_the_middle_of_a_tool(line: Line):
    listening = asyncio.Event()

    async def tool_called() -> ToolCalled:
        async for event in line.api.events(listening):
            if isinstance(event, ToolCalled):
                return event
        raise AssertionError("the stream of events ended")

    waiting = asyncio.create_task(tool_called())
    await listening.wait()
    phone, caller = await _greeted(line)
    await phone.say(line.lines[TABLE])
    async with asyncio.timeout(10):
        assert (await waiting).name == "check_availability"
    await phone.hang_up()
    record = await line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    assert [tool["name"] for tool in record["tools"]] == ["check_availability"]


@in_module
async def test_a_call_whose_process_is_killed_goes_on_in_another(line: Line):
    phone, caller = await _answered(line, ECHO)
    (process,) = line.call_processes()
    process.send_signal(signal.SIGKILL)
    await line.replaced(process)
    since = phone.bot_last_voiced_at or 0
    await phone.say(line.lines[HELLO])
    await phone.bot_is_quiet(since=since, quiet_secs=0.6, within_secs=5)
    await phone.hang_up()
    record = await line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    assert "SIGKILL" in record["errors"][0]["message"]


@in_module
@pytest.mark.parametrize("service", ["stt", "tts"])
async def test_a_provider_that_refuses_the_key_never_lets_the_call_be_answered(
    line: Line, service: str
):
    await line.faults([{"service": service, "kind": "status", "value": "401"}])
    phone, caller = line.dial(RECEPTIONIST)
    with pytest.raises(SipCallError) as refused:
        await phone.answered(15)
    assert refused.value.status == 486
    record = await line.record(caller)
    assert record["outcome"] == "provider_failure" and record["answered_at"] is None


@in_module
@pytest.mark.parametrize("service", ["llm", "tts"])
async def test_a_provider_that_stays_silent_leaves_no_silence_on_the_line(line: Line, service: str):
    await line.faults([{"service": service, "kind": "never"}])
    phone, caller = await _greeted(line)
    said = await phone.say(line.lines[TABLE])
    await phone.bot_is_quiet(since=said.last_audible_at or 0, quiet_secs=2.0, within_secs=15)
    await phone.hang_up()
    assert heard("say that again", await line.words(phone))
    assert (await line.record(caller))["outcome"] == "caller_hung_up"


@in_module
async def test_the_api_refuses_a_wrong_key(line: Line):
    async with Api(line.stack.address.api, "wrong") as stranger:
        with pytest.raises(ApiError) as refused:
            await stranger.calls()
    assert refused.value.code == "http_401"


@in_module
async def test_a_wrong_livekit_secret_is_said_clearly(line: Line, tmp_path: Path):
    livekit = LiveKitAccess(line.stack.livekit.url, line.stack.livekit.api_key, "wrong" * 8)
    ports = Ports.free()
    server = Child(
        "server",
        [sys.executable, *child_commands(ports)["server"]],
        environment=child_environments(os.environ, ports, livekit, "key", tmp_path)["server"],
        log_path=tmp_path / "server.log",
        stop_signal=signal.SIGINT,
    )
    await server.start()
    try:
        await until(lambda: "LIVEKIT_API_SECRET" in server.last_lines, secs=60)
        with pytest.raises(StackError, match=r"(?s)LIVEKIT_API_(KEY|SECRET)"):
            await server.ready(0.1)
    finally:
        await server.stop(5)


@in_module
async def test_a_misspelt_bot_is_named_before_anything_runs(tmp_path: Path):
    bots = tmp_path / "bots"
    shutil.copytree(ROOT / "bots", bots)
    (bots / "echo.yaml").write_text('name: echo\nnumbrs: ["+15550199"]\n')
    with pytest.raises(StackError, match=r"(?s)echo\.yaml.*numbrs"):
        async with Stack(stack_config(tmp_path, SWITCHBOARD_BOTS=str(bots))):
            pass


def test_a_machine_without_a_network_is_told_what_to_do(tmp_path: Path):
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be made here (unshare -rn)")
    up = subprocess.run(
        [unshare, "-rn", sys.executable, "-m", "local.stack"],
        env=dict(os.environ) | {"SWITCHBOARD_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert up.returncode == 1
    assert "no network interface but loopback" in " ".join(up.stderr.split())
