"""How calls end, and what does not end them, by real SIP: silence, a hold, an answering machine."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import yaml

from local.sip.message import Request
from tests.desk import desk_phone
from tests.fakes_baresip import Foreign, baresip, closed, pump, resumed, within
from tests.line import Line, open_line

in_module = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parent.parent
QUICK, ANYBODY = "+15550160", "+15550190"
HELLO = "Hello?"
MACHINE = "You have reached Ada. Nobody can take your call. Please leave a message after the tone."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    folder = tmp_path_factory.mktemp("stack")
    bots = folder / "bots"
    bots.mkdir()
    shutil.copy(ROOT / "bots" / "reminder.yaml", bots / "reminder.yaml")
    receptionist = yaml.safe_load((ROOT / "bots" / "receptionist.yaml").read_text())
    quick = {key: receptionist[key] for key in ("stt", "llm", "tts", "flow", "greeting")}
    idle = {"after_secs": 5, "reprompts": ["Are you still there?"]}
    quick |= {"name": "quick", "numbers": [QUICK], "idle": idle}
    (bots / "quick.yaml").write_text(yaml.safe_dump(quick))
    settings = {"SWITCHBOARD_BOTS": str(bots)}
    async with open_line(folder, [HELLO, MACHINE], **settings) as line:
        yield line


@pytest_asyncio.fixture(loop_scope="module")
async def line(whole: Line) -> AsyncIterator[Line]:
    """The line; behind each test nothing of its calls may be left."""
    yield whole
    await whole.is_clean()


@in_module
async def test_silent_caller_is_spoken_to_and_hung_up_on_with_the_outcome_in_the_bye(line: Line):
    byes: list[Request] = []

    def note(way, message, _) -> None:
        if way == "in" and isinstance(message, Request) and message.method == "BYE":
            byes.append(message)

    line.endpoint.on_message = note
    phone, caller = line.dial(QUICK)
    await phone.answered(10)
    await phone.wait_ended(40)
    line.endpoint.on_message = None
    record = await line.record(caller)
    assert (record["outcome"], record["reminders"]) == ("idle", 1)
    assert not record["holds"], "a silent phone is not a held one"
    heard = (await line.words(phone)).lower()
    assert "still there" in heard and heard.replace("good bye", "goodbye").endswith("goodbye.")
    assert [bye.headers.get("X-Switchboard-Outcome") for bye in byes] == ["idle"]
    assert byes[0].headers.get("X-Switchboard-Call") == record["call_id"]


@in_module
async def test_foreign_caller_who_holds_the_line_is_not_asked_for_and_not_hung_up_on(line: Line):
    noise = np.random.default_rng(5).normal(0, 8, 8000).astype(np.int16)
    async with Foreign() as foreign:
        agent = await foreign.agent("holder")
        there = await agent.dial(f"sip:{QUICK}@{line.stack.address.sip}")
        await there.wait_established(10)
        await pump(there, 4.0, noise)  # the greeting
        await within(there.hold())
        await asyncio.sleep(9)
        held = await _running(line, "holder")
        assert held["outcome"] is None and not held["reminders"] and len(held["holds"]) == 1
        await within(resumed(there))
        with contextlib.suppress(baresip.errors.AudioRestarted):  # told by the first write
            await pump(there, 0.1, noise)
        await pump(there, 1.0, noise)
        await there.hangup()
        await within(closed(there))
    record = await line.record("holder")
    assert record["outcome"] == "caller_hung_up" and not record["reminders"]
    assert 7 < record["holds"][0]["secs"] < 12


async def _running(line: Line, caller: str) -> dict:
    calls = await line.api.calls_from(caller)
    return await line.api.get(f"/calls/{calls[0]['call_id']}")


@in_module
async def test_machine_gets_the_whole_message_behind_its_beep(line: Line):
    beep = (6000 * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)).astype(np.int16)
    async with desk_phone(line.stack, ANYBODY) as desk:
        placed = await _place(line)
        phone = await desk.answered()
        await phone.say(line.lines[MACHINE])
        assert not phone.heard, "the bot waits for the end of the greeting"
        await asyncio.sleep(0.8)
        await phone.say(beep)
        beeped = time.monotonic()
        await phone.wait_ended(40)
        words = (await line.words(phone)).lower()
        started = phone.heard[0].started_at
    record = await _over(line, placed["call_id"])
    assert (record["outcome"], record["reason"]) == ("voicemail", "machine:message_left")
    far_end = record["far_end"]
    assert far_end["verdict"] == "machine" and far_end["message_left"]
    assert far_end["beep_at_secs"] and 0 < started - beeped < 4
    assert "hello ada" in words.replace(",", "") and "call us back" in words
    assert words.replace("good bye", "goodbye").endswith("goodbye.")


@in_module
async def test_person_who_says_hello_is_greeted_and_not_left_a_message(line: Line):
    async with desk_phone(line.stack, ANYBODY) as desk:
        placed = await _place(line)
        phone = await desk.answered()
        await asyncio.sleep(0.5)
        await phone.say(line.lines[HELLO])
        said = time.monotonic()
        began = await phone.bot_speaks(since=said, for_secs=0.4, within_secs=8)
        await phone.bot_is_quiet(since=said, quiet_secs=1, within_secs=20)
        await phone.hang_up()
    record = await _over(line, placed["call_id"])
    assert (record["far_end"]["verdict"], record["far_end"]["by"]) == ("person", "words")
    assert "automated call" in record["turns"][-1]["bot_text"] and began - said < 5
    assert record["outcome"] == "caller_hung_up"


async def _place(line: Line) -> dict:
    body = {"phone_number": ANYBODY, "bot": "reminder", "variables": {"name": "Ada"}}
    return await line.api.post(f"{line.stack.address.api}/calls", body)


async def _over(line: Line, call_id: str) -> dict:
    """The record of a call that is over: its stream of events ends when it is saved."""
    async with asyncio.timeout(20):
        url = f"{line.stack.address.api}/calls/{call_id}/events"
        async with line.api._session.get(url) as events:
            await events.read()
    return await line.api.get(f"/calls/{call_id}")
