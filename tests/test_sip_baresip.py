"""Against a SIP stack nobody here wrote: baresip as caller and as callee."""

import asyncio

import numpy as np
import pytest

from local.sip.endpoint import SipEndpoint
from local.sip.pacer import PacedSender
from tests.fakes_baresip import Foreign, closed, loudness, pitch, pump, resumed, within

TONE = (8000 * np.sin(2 * np.pi * 440 / 8000 * np.arange(8000))).astype(np.int16)


@pytest.fixture
async def foreign():
    async with Foreign() as foreign:
        yield foreign


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_baresip_answers_our_call_and_both_hear_each_other(foreign, codec):
    here, there = await foreign.call_to_human(codecs=(codec,))
    heard: list[np.ndarray] = []
    here.media.on_audio = lambda pcm, t: heard.append(pcm)
    sender = PacedSender(here.media)
    sender.start()
    sender.play(TONE)
    received = await pump(there, 0.6, TONE[::2].copy())
    sender.stop()
    assert here.media.negotiated and here.media.negotiated.codec == codec
    assert pitch(received[-2000:]) == pytest.approx(440, abs=8)
    ours = np.concatenate(heard)[-2000:]
    assert loudness(ours) > 1000 and pitch(ours) == pytest.approx(880, abs=8)
    assert here.media.stats.lost == 0
    await here.hangup()


async def test_baresip_hangs_up(foreign):
    here, there = await foreign.call_to_human()
    await there.hangup()
    end = await within(here.wait_ended())
    assert (end.by, end.phrase) == ("remote", "BYE")


async def test_digits_go_both_ways(foreign):
    here, there = await foreign.call_to_human()
    sender = PacedSender(here.media)
    sender.start()
    ours: list[str] = []
    theirs: list[str] = []
    here.media.on_digit = ours.append
    there.on_dtmf(lambda event: theirs.append(event.digit))
    await asyncio.gather(within(here.media.send_digits("12*#D")), there.send_dtmf("90#"))
    await asyncio.sleep(0.2)
    sender.stop()
    assert (theirs, ours) == (list("12*#D"), list("90#"))
    await here.hangup()


async def test_baresip_calls_us_with_headers_and_we_hang_up(foreign):
    agent = await foreign.agent("caller")
    there = await agent.dial(foreign.uri(), headers={"X-Tenant": "acme"})
    here = await within(foreign.calls.get())
    assert (here.from_user, here.to_user) == ("caller", "+15550100")
    assert here.headers.get("X-Tenant") == "acme"
    here.ringing()
    await here.answer()
    await there.wait_established(8)
    sender = PacedSender(here.media)
    sender.start()
    sender.play(TONE)
    assert loudness((await pump(there, 0.5))[-1600:]) > 1000
    sender.stop()
    await here.hangup()
    await within(closed(there))


async def test_baresip_is_held_and_taken_back(foreign):
    here, there = await foreign.call_to_human()
    await within(here.hold(True))
    assert there.remote_on_hold
    await within(here.hold(False))
    assert not there.remote_on_hold
    await within(there.hold())
    assert here.media.negotiated and here.media.negotiated.direction == "recvonly"
    await within(resumed(there))
    assert here.media.negotiated.direction == "sendrecv"
    await here.hangup()


async def test_baresip_goes_where_we_refer_it(foreign):
    here, _ = await foreign.call_to_human()
    waiting = asyncio.create_task(here.refer(foreign.uri("+15550111")))
    third = await within(foreign.calls.get())
    assert third.to_user == "+15550111" and third.from_user == "human"
    await third.answer()
    result = await within(waiting)
    assert (result.outcome, result.status) == ("succeeded", 200)
    await here.hangup()
    await third.hangup()


async def test_we_go_where_baresip_refers_us(foreign):
    here, there = await foreign.call_to_human()
    waiting = asyncio.create_task(there.transfer(foreign.uri("+15550122")))
    third = await within(foreign.calls.get())
    await third.answer()
    await within(waiting)
    assert third.from_user == "ann" and here.transferred_to
    assert (await within(here.wait_ended())).by == "remote"
    assert third.state == "answered"
    await third.hangup()


async def test_baresip_answers_our_challenge(foreign):
    guarded = await SipEndpoint.open(on_invite=foreign._take, users={"caller": "pw"})
    try:
        agent = await foreign.agent("caller", password="pw")
        there = await agent.dial(f"sip:+15550100@127.0.0.1:{guarded.address[1]}")
        here = await within(foreign.calls.get())
        await here.answer()
        await there.wait_established(8)
        await here.hangup()
    finally:
        await guarded.close()


async def test_baresip_hears_ringing_and_takes_its_call_back(foreign):
    agent = await foreign.agent("caller")
    there = await agent.dial(foreign.uri())
    here = await within(foreign.calls.get())
    here.ringing()
    await asyncio.sleep(0.05)
    await there.hangup()
    assert (await within(here.wait_ended())).status == 487
