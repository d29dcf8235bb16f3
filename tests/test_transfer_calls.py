"""Callers handed to people by real SIP, judged on the tapes of both phones."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from local.callers.phone import Phone
from local.callers.phrases import heard
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from tests.desk import FIRST, SECOND, desk_phone
from tests.line import RECEPTIONIST, Line, open_line

in_module = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parent.parent
COLD = "+15550102"
PERSON = "Hello, can I talk to a human please?"
WAITING = "My umbrella is yellow."
YES = "Yes, put him through."
HUMAN = "Hi, this is Bob. What can I do for you?"
CALLER = "I have lost my red umbrella."
DESKS = """
desks:
  - {{name: front_desk, title: our front desk, numbers: ["{first}", "{second}"], ring_secs: 6}}
  - {{name: far_desk, title: our other house, mode: cold, ring_secs: 6, numbers: ["{cold}"]}}
"""
COLD_BOT = """
name: cold
numbers: ["+15550102"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: {use: cartesia/sonic-3, voice: 71a7ad14-091c-4e8e-a314-022ece01c121}
greeting: "Blue Door, good evening. How can I help?"
flow: reservation
escalation: {to: far_desk}
"""


@dataclass
class World:
    """A line, and the house that cold transfers go to."""

    line: Line
    far_calls: "asyncio.Queue[SipCall]"
    far: SipEndpoint


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("stack")
    far_calls: asyncio.Queue[SipCall] = asyncio.Queue()

    async def take(call: SipCall) -> None:
        far_calls.put_nowait(call)
        await call.wait_ended()

    far = await SipEndpoint.open(on_invite=take)
    bots = folder / "bots"
    bots.mkdir()
    shutil.copy(ROOT / "bots" / "receptionist.yaml", bots)
    (bots / "cold.yaml").write_text(COLD_BOT)
    cold = f"sip:house@{far.address[0]}:{far.address[1]}"
    (bots / "desks.yaml").write_text(DESKS.format(first=FIRST, second=SECOND, cold=cold))
    says = [PERSON, WAITING, YES, HUMAN, CALLER]
    async with open_line(folder, says, SWITCHBOARD_BOTS=str(bots)) as line:
        yield World(line, far_calls, far)
    await far.close()


@pytest_asyncio.fixture(loop_scope="module")
async def world(whole: World) -> AsyncIterator[World]:
    """The world; behind each test nothing of its calls may be left."""
    yield whole
    await asyncio.gather(
        *(call.hangup() for call in (*whole.line.endpoint.calls, *whole.far.calls))
    )
    await whole.line.is_clean()


async def _calls(world: World, number: str = RECEPTIONIST) -> tuple[Phone, str]:
    phone, caller = world.line.dial(number)
    await phone.answered(10)
    await phone.bot_speaks(since=0, for_secs=0.4, within_secs=5)
    return phone, caller


@in_module
async def test_a_person_accepts_by_voice_and_neither_hears_what_is_not_meant_for_them(
    world: World,
):
    line = world.line
    async with desk_phone(world.line.stack) as desk:
        phone, caller = await _calls(world)
        await phone.bot_is_quiet(since=0, quiet_secs=0.6, within_secs=5)
        await phone.say(line.lines[PERSON])
        human = await desk.answered()
        digits: list[str] = []
        human.call.media.on_digit = digits.append
        phone.call.media.on_digit = digits.append
        await human.bot_speaks(since=0, for_secs=1.5, within_secs=15)
        await phone.say(line.lines[WAITING])
        await phone.press("5")
        await human.say(line.lines[YES])
        accepted_at = time.monotonic()
        await _bridged(world, caller)
        assert time.monotonic() - accepted_at < 8
        await asyncio.sleep(0.6)
        await human.say(line.lines[HUMAN])
        await phone.press("7")
        await phone.say(line.lines[CALLER])
        await asyncio.sleep(1.0)
        await human.hang_up()
        await phone.wait_ended(10)
    record = await line.record(caller)
    assert record["outcome"] == "transferred"
    (transfer,) = record["transfers"]
    assert (transfer["outcome"], transfer["mode"]) == ("answered", "warm")
    assert [(a["number"], a["sip_code"]) for a in transfer["attempts"]] == [(FIRST, 200)]
    of_caller, of_human = await line.words(phone), await line.words(human)
    assert heard("this is Bob", of_caller) and not heard("press | decline | a caller", of_caller)
    assert heard("red umbrella", of_human) and not heard("yellow", of_human)
    assert heard("front desk", of_human)
    assert digits == []


@in_module
async def test_a_star_calls_the_bot_back_and_ends_the_persons_leg(world: World):
    async with desk_phone(world.line.stack) as desk:
        phone, caller = await _calls(world)
        await phone.press("0")
        human = await desk.answered()
        await human.bot_speaks(since=0, for_secs=0.3, within_secs=8)
        await human.press("1")
        await _bridged(world, caller)
        since = time.monotonic()
        await phone.press("*")
        await human.wait_ended(5)
        await phone.bot_is_quiet(since=since, quiet_secs=0.6, within_secs=8)
        await phone.hang_up()
    record = await world.line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    assert record["transfers"][0]["called_back"]
    assert heard("I am back", await world.line.words(phone))


@in_module
async def test_a_person_who_declines_and_a_busy_one_leave_the_caller_with_the_bot(world: World):
    async with (
        desk_phone(world.line.stack) as first,
        desk_phone(world.line.stack, SECOND) as second,
    ):
        phone, caller = await _calls(world)
        await phone.press("0")
        human = await first.answered()
        await human.bot_speaks(since=0, for_secs=0.3, within_secs=8)
        await human.press("2")
        (await second.rung()).reject(486, "Busy Here")
        await human.wait_ended(5)
        since = time.monotonic()
        await phone.bot_is_quiet(since=since, quiet_secs=1.0, within_secs=10)
        await phone.hang_up()
    record = await world.line.record(caller)
    (transfer,) = record["transfers"]
    assert transfer["outcome"] == "busy"
    tries = [(a["number"], a["outcome"], a["sip_code"]) for a in transfer["attempts"]]
    assert tries == [(FIRST, "declined", None), (SECOND, "busy", 486)]
    assert heard("busy", await world.line.words(phone))
    assert heard("message", await world.line.words(phone))


@in_module
async def test_a_caller_who_hangs_up_while_the_desk_rings_stops_the_ringing(world: World):
    async with desk_phone(world.line.stack) as desk:
        phone, caller = await _calls(world)
        await phone.press("0")
        ringing = await desk.rung()
        await phone.hang_up()
        async with asyncio.timeout(2):
            end = await ringing.wait_ended()
    assert end.by == "remote" and ringing.leg is None
    record = await world.line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    assert record["transfers"][0]["outcome"] == "caller_gone"


@in_module
async def test_a_cold_transfer_sends_the_callers_phone_on_with_the_calls_id(world: World):
    phone, caller = await _calls(world, COLD)
    await phone.press("0")
    async with asyncio.timeout(15):
        call = await world.far_calls.get()
    call.ringing()
    await call.answer()
    await phone.wait_ended(10)
    record = await world.line.record(caller)
    assert record["outcome"] == "transferred"
    assert record["transfers"][0]["mode"] == "cold"
    assert heard("one moment", await world.line.words(phone))
    await call.hangup()


@in_module
async def test_a_cold_transfer_that_is_refused_leaves_the_caller_with_the_bot(world: World):
    phone, caller = await _calls(world, COLD)
    await phone.press("0")
    async with asyncio.timeout(15):
        call = await world.far_calls.get()
    since = time.monotonic()
    call.reject(603, "Decline")
    await phone.bot_is_quiet(since=since, quiet_secs=1.0, within_secs=10)
    await phone.hang_up()
    record = await world.line.record(caller)
    assert record["transfers"][0]["outcome"] == "declined"
    assert record["transfers"][0]["attempts"][0]["sip_code"] == 603
    assert heard("cannot | can't | nobody", await world.line.words(phone))


async def _bridged(world: World, caller: str, secs: float = 10) -> None:
    """Wait until the call's record shows that both hear each other."""
    async with asyncio.timeout(secs):
        while True:
            for call in await world.line.api.calls_from(caller):
                if any(transfer["bridged_secs"] for transfer in call["transfers"]):
                    return
            await asyncio.sleep(0.1)
