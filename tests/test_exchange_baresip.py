"""The exchange's calls against baresip: as the person called, held, keyed and sent elsewhere."""

import asyncio

import numpy as np
import pytest
from livekit import api

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from tests.fakes_baresip import Foreign, closed, loudness, pitch, pump, resumed, within
from tests.fakes_calls import Outgoing
from tests.fakes_deployment import Deployment
from tests.fakes_exchange import loudness as peaks
from tests.fakes_exchange import until

pytestmark = pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY)
TONE = (8000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(8000))).astype(np.int16)


@pytest.fixture
async def foreign():
    async with Foreign() as foreign:
        yield foreign


@pytest.fixture
async def out(foreign):
    """A room with a bot, and a trunk to baresip."""
    livekit = await Deployment.start()
    out = await Outgoing.open(livekit)
    out.trunk_id = await livekit.outbound_trunk(f"127.0.0.1:{foreign.port}")
    yield out
    await livekit.close()


async def test_person_called_hears_the_bot_and_is_heard_pressed_keys_included(foreign, out):
    answered = await foreign.answering_agent()
    await out.dial("human")
    there = await within(answered.get())
    await there.wait_established(8)
    saying = asyncio.create_task(out.bot.say(440, 6))
    track = (await out.bot.wait_for("track_subscribed"))[0]
    listening = asyncio.create_task(peaks(track, 1))
    heard = await pump(there, 1.5, TONE[::2].copy())
    assert loudness(heard[-2000:]) > 1000
    assert pitch(heard[-2000:]) == pytest.approx(440, abs=8)
    assert max(await listening) > 1000
    saying.cancel()

    keys: list[str] = []
    there.on_dtmf(lambda event: keys.append(event.digit))
    for code in (1, 2, 11):
        await out.bot.room.local_participant.publish_dtmf(code=code, digit="0123456789*#"[code])
    await there.send_dtmf("90#")
    received = [(await out.bot.wait_for("sip_dtmf_received", n))[0].digit for n in (1, 2, 3)]
    assert received == ["9", "0", "#"]
    await until(lambda: keys == ["1", "2", "#"])
    await there.hangup()
    assert await out.gone() == "CLIENT_INITIATED"


async def test_person_who_holds_stays_in_the_call(foreign, out):
    answered = await foreign.answering_agent()
    await out.dial("human")
    there = await within(answered.get())
    await there.wait_established(8)
    await within(there.hold())
    await within(resumed(there))
    await out.status("active")
    assert out.statuses() == ["ringing", "active"]
    saying = asyncio.create_task(out.bot.say(440, 3))
    assert loudness((await pump(there, 1.0))[-2000:]) > 1000
    saying.cancel()


async def test_person_is_sent_to_a_colleague(foreign, out):
    answered = await foreign.answering_agent()
    await out.dial("human")
    there = await within(answered.get())
    await there.wait_established(8)
    await out.transfer(out.callee.uri("colleague"))
    assert (await within(out.callee.calls.get())).from_user == "human"
    await within(closed(there))
    assert await out.gone() == "CLIENT_INITIATED"


async def test_person_sent_to_somebody_busy_comes_back(foreign, out):
    answered = await foreign.answering_agent()
    await out.dial("human")
    there = await within(answered.get())
    await there.wait_established(8)
    with pytest.raises(api.SipCallError) as refused:
        await out.transfer(out.callee.uri("9486"))
    assert refused.value.sip_status_code == 486
    saying = asyncio.create_task(out.bot.say(440, 3))
    assert loudness((await pump(there, 1.0))[-2000:]) > 1000
    saying.cancel()


async def test_person_who_is_busy_is_told_apart(foreign, out):
    agent = await foreign.agent()
    rejecting: list[asyncio.Task] = []
    agent.on_incoming(lambda call: rejecting.append(asyncio.create_task(call.reject())))
    with pytest.raises(api.SipCallError) as refused:
        await out.dial("human")
    assert (refused.value.code, refused.value.sip_status_code) == ("resource_exhausted", 486)
    assert await out.gone() == "USER_REJECTED"


async def test_person_whose_phone_rings_too_long_is_cancelled(foreign, out):
    agent = await foreign.agent()
    ringing: asyncio.Queue = asyncio.Queue()
    agent.on_incoming(ringing.put_nowait)
    dialling = asyncio.create_task(out.dial("human"))
    there = await within(ringing.get())
    await out.livekit.client.room.remove_participant(
        api.RoomParticipantIdentity(room=out.room, identity="phone")
    )
    await within(closed(there))
    with pytest.raises(api.ServerError, match="sip request timed out"):
        await dialling


async def test_phone_that_registered_is_reached_over_the_trunk_of_the_exchange(foreign):
    number, login = "+15550180", {"user": "desk", "password": "a-long-password"}
    livekit = await Deployment.start(
        phones=[{"number": number, **login}],
        outbound_trunks=[{"name": "local", "numbers": ["+15550100"]}],
    )
    try:
        out = await Outgoing.open(livekit)
        trunks = await livekit.client.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
        (out.trunk_id,) = [t.sip_trunk_id for t in trunks.items if t.name == "local"]
        with pytest.raises(api.SipCallError) as refused:
            await out.dial(number)
        assert (refused.value.code, refused.value.sip_status_code) == ("not_found", 404)
        assert await out.gone() == "USER_UNAVAILABLE"
        answered = await foreign.answering_agent(
            user=login["user"],
            password=login["password"],
            domain=livekit.sip_address,
            reg_interval=60,
        )
        await out.dial(number, participant_identity="desk")
        there = await within(answered.get())
        await there.hangup()
        assert await out.gone(2) == "CLIENT_INITIATED"
    finally:
        await livekit.close()
