"""Callers handed to people by real SIP, judged on the tapes of both phones."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from local.callers.phone import Phone
from local.callers.phrases import heard
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from local.sip.message import Request
from tests.desk import FIRST, SECOND, desk_phone
from tests.fakes_baresip import Foreign, closed, loudness, pitch, pump, within
from tests.line import RECEPTIONIST, Line, open_line

in_module = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parent.parent
COLD = "+15550102"
PERSON = "Hello, can I talk to a human please?"
WAITING = "My umbrella is yellow."
YES = "Yes, put him through."
VOICEMAIL = "You have reached the voicemail of Bob. Please leave a message after the tone."
HUMAN = "Hi, this is Bob. What can I do for you?"
CALLER = "I have lost my red umbrella in your restaurant."
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
    says = [PERSON, WAITING, YES, HUMAN, CALLER, VOICEMAIL]
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


@pytest_asyncio.fixture(loop_scope="module")
async def foreign() -> AsyncIterator[Foreign]:
    async with Foreign() as foreign:
        yield foreign


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
    assert heard("lost my red | your restaurant", of_human) and not heard("yellow", of_human)
    assert heard("automated receptionist", of_human)
    recorded, rate_hz = soundfile.read(record["recording"].removeprefix("file://"), dtype="int16")
    right = np.ascontiguousarray(recorded[:: rate_hz // 8000, 1])
    assert heard("this is Bob", await line.ears.transcribe(right[-8000 * 12 :]))
    assert digits == []


@in_module
async def test_a_person_at_a_foreign_phone_accepts_by_key_and_the_star_calls_the_bot_back(
    world: World, foreign: Foreign
):
    answered = await foreign.answering_agent(**_registers(world, FIRST))
    phone, caller = await _calls(world)
    await phone.press("0")
    there = await within(answered.get(), 15)
    await there.wait_established(8)
    keys: list[str] = []
    there.on_dtmf(lambda event: keys.append(event.digit))
    async with asyncio.timeout(15):
        while loudness(await pump(there, 0.5)) < 300:
            pass
    await there.send_dtmf("1")
    await _bridged(world, caller)
    phone.start_saying(_tone(440, 2))
    heard_there = await pump(there, 3, _tone(880, 1))
    assert _has_pitch(heard_there, 440)
    assert _has_pitch(phone.channels()[1][-24000:], 880)
    await phone.press("*")
    await within(closed(there), 5)
    await phone.bot_is_quiet(since=time.monotonic(), quiet_secs=0.6, within_secs=8)
    await phone.hang_up()
    record = await world.line.record(caller)
    assert record["outcome"] == "caller_hung_up"
    assert record["transfers"][0]["called_back"]
    assert heard("I am back", await world.line.words(phone))
    assert keys == []


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
        await _is_told(phone)
    record = await world.line.record(caller)
    (transfer,) = record["transfers"]
    assert transfer["outcome"] == "busy"
    tries = [(a["number"], a["outcome"], a["sip_code"]) for a in transfer["attempts"]]
    assert tries == [(FIRST, "declined", None), (SECOND, "busy", 486)]
    assert heard("busy", await world.line.words(phone))


@in_module
async def test_a_voicemail_and_a_phone_that_rings_on_are_nobody(world: World):
    async with (
        desk_phone(world.line.stack) as first,
        desk_phone(world.line.stack, SECOND) as second,
    ):
        phone, caller = await _calls(world)
        await phone.press("0")
        machine = await first.answered()
        await machine.say(world.line.lines[VOICEMAIL])
        ringing = await second.rung(15)
        assert machine.ended
        async with asyncio.timeout(10):
            assert (await ringing.wait_ended()).by == "remote"
        await _is_told(phone)
    (transfer,) = (await world.line.record(caller))["transfers"]
    tries = [(a["number"], a["outcome"]) for a in transfer["attempts"]]
    assert tries == [(FIRST, "voicemail"), (SECOND, "no_answer")]
    assert heard("nobody", await world.line.words(phone))


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
async def test_a_cold_transfer_sends_a_foreign_phone_on(world: World, foreign: Foreign):
    agent = await foreign.agent("+15557001")
    there = await agent.dial(f"sip:{COLD}@{world.line.stack.address.sip}")
    await there.wait_established(10)
    await pump(there, 0.5)
    await there.send_dtmf("0")
    await pump(there, 3)
    call = await within(world.far_calls.get(), 15)
    call.ringing()
    await call.answer()
    await within(closed(there), 10)
    record = await world.line.record("+15557001")
    assert record["outcome"] == "transferred"
    assert record["transfers"][0]["mode"] == "cold"
    await call.hangup()


@in_module
async def test_a_cold_transfer_that_is_refused_leaves_the_caller_with_the_bot(world: World):
    refers: list[Request] = []

    def keep(way: str, message: object, address: object) -> None:
        if isinstance(message, Request) and message.method == "REFER":
            refers.append(message)

    world.line.endpoint.on_message = keep
    phone, caller = await _calls(world, COLD)
    await phone.press("0")
    call = await within(world.far_calls.get(), 15)
    call.reject(603, "Decline")
    await _is_told(phone)
    record = await world.line.record(caller)
    assert record["transfers"][0]["outcome"] == "declined"
    assert record["transfers"][0]["attempts"][0]["sip_code"] == 603
    assert refers[0].headers.get("X-Switchboard-Call-Id") == record["call_id"]
    assert heard("one moment", await world.line.words(phone))
    assert heard("cannot | can't | nobody", await world.line.words(phone))


def _registers(world: World, number: str) -> dict[str, Any]:
    """How a foreign phone becomes one of the desk."""
    login = next(p for p in world.line.stack.address.phones if p["number"] == number)
    return {
        "user": login["user"],
        "domain": world.line.stack.address.sip,
        "password": login["password"],
        "reg_interval": 60,
    }


def _has_pitch(pcm: np.ndarray, hz: float) -> bool:
    """Whether a quarter of a second of it sounds at ``hz``."""
    parts = [pcm[at : at + 2000] for at in range(0, len(pcm) - 2000, 1000)]
    return any(loudness(part) > 1000 and abs(pitch(part) - hz) < 8 for part in parts)


def _tone(hz: float, secs: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz / 8000 * np.arange(int(8000 * secs)))).astype(np.int16)


async def _is_told(phone: Phone) -> None:
    """The bot's excuse begins; that is enough to know it."""
    await phone.bot_speaks(since=time.monotonic() + 0.5, for_secs=3.2, within_secs=10)
    await phone.hang_up()


async def _bridged(world: World, caller: str, secs: float = 10) -> None:
    """Wait until the call's record shows that both hear each other."""
    async with asyncio.timeout(secs):
        while True:
            for call in await world.line.api.calls_from(caller):
                if any(transfer["bridged_secs"] for transfer in call["transfers"]):
                    return
            await asyncio.sleep(0.1)
