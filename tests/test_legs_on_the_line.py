"""What the bot asks of LiveKit's API for its call, by real SIP over the exchange."""

import asyncio

import psutil
import pytest

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from tests.fakes_calls import LOGIN, Outgoing
from tests.fakes_deployment import Deployment
from tests.fakes_exchange import until
from transports.leg import Leg
from transports.sip_control import SipControl

pytestmark = pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY)


@pytest.fixture
async def out():
    livekit = await Deployment.start()
    yield await Outgoing.open(livekit)
    await livekit.close()


@pytest.fixture
async def control(out):
    control = SipControl(out.livekit.url, out.livekit.key, out.livekit.secret)
    yield control
    await control.aclose()


def leg(out: Outgoing, number: str, **changes) -> Leg:
    return Leg(
        **{
            "room": out.room,
            "number": number,
            "identity": "leg",
            "trunk_id": out.trunk_id,
            **changes,
        }
    )


async def test_every_refusal_on_the_line_has_its_outcome(out, control):
    expected = {
        486: ("busy", True),
        480: ("no_answer", True),
        408: ("no_answer", True),
        404: ("invalid_number", False),
        484: ("invalid_number", False),
        603: ("declined", False),
        403: ("refused", False),
        503: ("trunk_failure", True),
    }
    for status, (outcome, retryable) in expected.items():
        result = await control.dial(leg(out, f"9{status}"))
        assert (result.outcome, result.sip_code, result.retryable) == (outcome, status, retryable)


async def test_phone_that_nobody_answers_and_carrier_that_wants_a_password(out, control):
    result = await control.dial(leg(out, "ring", ring_secs=1))
    assert (result.outcome, result.sip_code) == ("no_answer", None)
    assert (await control.dial(leg(out, "login"))).outcome == "trunk_failure"
    trunk_id = await out.livekit.outbound_trunk(out.callee.address, **LOGIN)
    result = await control.dial(leg(out, "login", trunk_id=trunk_id))
    assert (result.outcome, result.sip_call_id[:4]) == ("answered", "SCL_")


async def test_dialling_that_is_given_up_takes_the_call_back(out, control):
    dialling = asyncio.create_task(control.dial(leg(out, "ring")))
    call = await out.callee.calls.get()
    dialling.cancel()
    async with asyncio.timeout(5):
        assert (await call.wait_ended()).status == 487
    with pytest.raises(asyncio.CancelledError):
        await dialling


async def test_phone_is_sent_elsewhere_or_comes_back(out, control):
    await control.dial(leg(out, "person"))
    call = await out.callee.calls.get()
    busy = await control.refer(out.room, "leg", out.callee.uri("9486"))
    assert (busy.outcome, busy.sip_code) == ("busy", 486)
    unsure = await control.refer(out.room, "leg", out.callee.uri("ring"), ring_secs=1)
    assert unsure.outcome == "unknown"
    assert call.end is None
    done = await control.refer(out.room, "leg", out.callee.uri("colleague"))
    assert done.outcome == "answered"
    assert (await call.wait_ended()).by == "remote"


async def test_many_calls_placed_and_transferred_leave_nothing_behind(out, control):
    async def one(number: int) -> None:
        await control.dial(leg(out, "person", identity=f"leg-{number}"))
        call = await out.callee.calls.get()
        await control.refer(out.room, f"leg-{number}", out.callee.uri("colleague"))
        await call.hangup()
        await (await out.callee.calls.get()).hangup()

    await one(0)
    process = psutil.Process()
    descriptors, tasks = process.num_fds(), len(asyncio.all_tasks())
    for number in range(1, 20):
        await one(number)
    await out.bot.wait_for("participant_disconnected", 20)
    await until(lambda: not out.callee.endpoint.calls)
    await until(lambda: process.num_fds() <= descriptors and len(asyncio.all_tasks()) <= tasks)
    (room,) = out.livekit.exchange.rooms
    assert list(room.participants) == ["bot"]
