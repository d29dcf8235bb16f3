"""Calls between two endpoints of our own: every way in and every way out."""

import asyncio

import numpy as np
import pytest

from local.sip.behaviour import Behaviour, RtpOptions
from local.sip.call import SipCall
from local.sip.call_end import CallEnd
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError, SipParseError
from local.sip.pacer import PacedSender
from local.sip.timers import Timers

TONE = (8000 * np.sin(2 * np.pi * 400 / 8000 * np.arange(1600))).astype(np.int16)
FAST = Timers(t1=0.02, t2=0.16, t4=0.1)


class Line:
    """Two endpoints; the callee's calls wait in a queue."""

    def __init__(self):
        self.calls: asyncio.Queue[SipCall] = asyncio.Queue()
        self.answering = True
        self.caller: SipEndpoint
        self.callee: SipEndpoint

    async def take(self, call: SipCall) -> None:
        self.calls.put_nowait(call)
        if self.answering:
            await call.answer()

    async def open(self, *, callee: Behaviour | None = None, **kwargs) -> "Line":
        self.caller = await SipEndpoint.open(behaviour=Behaviour(timers=FAST))
        self.callee = await SipEndpoint.open(
            on_invite=self.take, behaviour=callee or Behaviour(timers=FAST), **kwargs
        )
        return self

    async def close(self):
        await self.caller.close()
        await self.callee.close()

    def dial(self, **kwargs) -> SipCall:
        uri = f"sip:+15550100@127.0.0.1:{self.callee.address[1]}"
        return self.caller.invite(uri, from_user="+15557777", **kwargs)

    async def up(self, **kwargs) -> tuple[SipCall, SipCall]:
        here = self.dial(**kwargs)
        await within(here.wait_answered())
        return here, await within(self.calls.get())


async def within(waiting, secs: float = 3.0):
    async with asyncio.timeout(secs):
        return await waiting


@pytest.fixture
async def line():
    line = await Line().open()
    yield line
    await line.close()


async def test_a_call_rings_is_answered_and_hung_up_by_the_caller(line):
    line.answering = False
    states = []
    here = line.dial(headers={"X-Tenant": "acme"}, display_name='Ann "X"')
    here.on_change = lambda call: states.append(call.state)
    there = await within(line.calls.get())
    assert (there.from_user, there.to_user, there.direction) == ("+15557777", "+15550100", "in")
    assert there.headers.get("x-tenant") == "acme"
    there.ringing()
    await within(here.wait_ringing())
    await there.answer({"X-Room": "blue"})
    await within(here.wait_answered())
    assert here.answer_headers.get("X-Room") == "blue"
    await here.hangup(cause=31, headers={"X-Why": "bored"})
    assert await within(there.wait_ended()) == CallEnd("remote", None, "BYE", 31)
    assert here.end == CallEnd("local", None, "BYE", 31)
    assert states == ["ringing", "answered", "ended"]
    await here.hangup()
    assert line.caller.calls == line.callee.calls == []


async def test_the_callee_hangs_up(line):
    here, there = await line.up()
    await there.hangup()
    assert await within(here.wait_ended()) == CallEnd("remote", None, "BYE", 16)


async def test_a_refused_call_says_why(line):
    line.answering = False
    here = line.dial()
    there = await within(line.calls.get())
    there.reject(603, "Decline")
    with pytest.raises(SipCallError, match="603 Decline"):
        await within(here.wait_answered())
    assert here.end == CallEnd("remote", 603, "Decline")
    with pytest.raises(SipCallError):
        await there.answer()


async def test_a_ringing_call_is_taken_back(line):
    line.answering = False
    here = line.dial()
    there = await within(line.calls.get())
    there.ringing()
    await within(here.wait_ringing())
    await within(here.hangup())
    assert await within(there.wait_ended()) == CallEnd("remote", 487, "cancelled", 16)
    with pytest.raises(SipCallError, match="487"):
        await here.wait_answered()


async def test_nobody_answers_in_time(line):
    line.answering = False
    here = line.dial(ring_secs=0.05)
    with pytest.raises(SipCallError, match="408"):
        await within(here.wait_answered())
    assert here.end and here.end.by == "timeout"
    there = await within(line.calls.get())
    assert (await within(there.wait_ended())).status == 487


async def test_a_far_end_that_is_not_there_is_given_up(line):
    here = line.caller.invite("sip:a@127.0.0.1:9", from_user="b")
    with pytest.raises(SipCallError, match="408"):
        await within(here.wait_answered())


async def test_an_endpoint_that_takes_no_calls_says_404(line):
    uri = f"sip:a@127.0.0.1:{line.caller.address[1]}"
    here = line.callee.invite(uri, from_user="b")
    with pytest.raises(SipCallError, match="404"):
        await within(here.wait_answered())


async def test_audio_goes_both_ways_in_time(line):
    here, there = await line.up(codecs=("PCMA",))
    heard: list[tuple[np.ndarray, float]] = []
    enough = asyncio.Event()

    def listen(pcm: np.ndarray, arrival: float) -> None:
        heard.append((pcm, arrival))
        if len(heard) > 12:
            enough.set()

    there.media.on_audio = listen
    sender = PacedSender(here.media)
    sender.start()
    said = await within(sender.play(TONE))
    await within(enough.wait())
    sender.stop()
    assert there.media.negotiated and there.media.negotiated.codec == "PCMA"
    start = next(i for i, (pcm, _) in enumerate(heard) if np.abs(pcm).max() > 330)
    sound = np.concatenate([pcm for pcm, _ in heard[start : start + 10]])
    assert np.corrcoef(sound, TONE)[0, 1] > 0.999
    assert abs(heard[start][1] - said.first_audible_at) < 0.05
    assert said.last_audible_at - said.first_audible_at == pytest.approx(0.2, abs=0.06)
    assert there.media.stats.lost == 0


async def test_digits_are_heard_once_each_with_or_without_speech(line):
    here, there = await line.up()
    digits: list[str] = []
    lengths: list[float] = []
    there.media.on_digit = digits.append
    there.media.on_digit_ended = lambda digit, secs: lengths.append(secs)
    await within(here.media.send_digits("1#", tone_ms=60, gap_ms=40))
    sender = PacedSender(here.media)
    sender.start()
    await within(here.media.send_digits("*D", tone_ms=40, gap_ms=40))
    sender.stop()
    assert digits == ["1", "#", "*", "D"]
    assert lengths == [0.06, 0.06, 0.04, 0.04]


async def test_a_dialled_password_opens_the_trunk_and_a_wrong_one_does_not():
    line = await Line().open(users={"ann": "pw"})
    try:
        with pytest.raises(SipCallError, match="407"):
            await within(line.dial().wait_answered())
        with pytest.raises(SipCallError, match="403"):
            await within(line.dial(credentials=Credentials("ann", "no")).wait_answered())
        assert line.calls.empty()
        credentials = Credentials("ann", "pw")
        here, there = await line.up(credentials=credentials, headers={"X-Tenant": "acme"})
        assert there.headers.get("X-Tenant") == "acme" and there.headers.get("CSeq") == "2 INVITE"
        await here.hangup()
    finally:
        await line.close()


async def test_a_trunk_can_challenge_in_its_own_manner():
    behaviour = Behaviour(
        timers=FAST,
        digest_phrase="Unauthorized",
        digest_realm="LiveKit",
        digest_qop=False,
        digest_refusal=(401, "Unauthorized"),
    )
    line = Line()

    async def take(call: SipCall) -> None:
        if call.authorized(users):
            await call.answer()

    line.take = take
    await line.open(callee=behaviour)
    users = line.callee.digest_server({"ann": "pw"})
    try:
        with pytest.raises(SipCallError, match="401 Unauthorized"):
            await within(line.dial(credentials=Credentials("ann", "no")).wait_answered())
        here = line.dial(credentials=Credentials("ann", "pw"))
        await within(here.wait_answered())
    finally:
        await line.close()


async def test_hold_stops_the_far_ends_audio_and_resume_brings_it_back(line):
    here, there = await line.up()
    changes = []
    there.on_media_change = lambda call: changes.append(call.media.negotiated.direction)
    for update in (False, True):
        await within(here.hold(True, update=update))
        assert here.media.negotiated.direction == "sendonly"
        sent = there.media.stats.sent
        there.media.send(TONE[:160])
        assert there.media.stats.sent == sent
        await within(here.hold(False, update=update))
        there.media.send(TONE[:160])
        assert there.media.stats.sent == sent + 1
    assert changes == ["recvonly", "sendrecv"] * 2


async def test_both_hold_at_once_and_one_tries_again(line, monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: low / 20)
    here, there = await line.up()
    results = await within(
        asyncio.gather(here.hold(True), there.hold(True), return_exceptions=True)
    )
    assert results == [None, None]
    assert here.media.negotiated.direction == there.media.negotiated.direction == "inactive"


async def test_a_far_end_that_does_not_follow_hold_goes_on_talking():
    line = await Line().open(callee=Behaviour(timers=FAST, follow_hold=False))
    try:
        here, there = await line.up()
        await within(here.hold(True))
        assert there.media.negotiated.direction == "sendrecv"
    finally:
        await line.close()


async def test_a_transfer_is_carried_out_and_reported(line):
    here, there = await line.up()
    target = f"sip:+15550111@127.0.0.1:{line.callee.address[1]}?X-Note=a%20b"
    result = await within(there.refer(target))
    assert (result.outcome, result.status) == ("succeeded", 200)
    third = await within(line.calls.get())
    assert (third.to_user, third.headers.get("X-Note")) == ("+15550111", "a b")
    assert "+15550100" in third.headers.get("Referred-By")
    assert here.transferred_to and here.transferred_to.state == "answered"
    await there.hangup()
    await within(here.wait_ended())
    assert third.state == "answered"


async def test_a_transfer_that_fails_leaves_the_call_up(line):
    here, there = await line.up()
    line.answering = False
    waiting = asyncio.create_task(there.refer(f"sip:a@127.0.0.1:{line.callee.address[1]}"))
    third = await within(line.calls.get())
    third.reject(486, "Busy Here")
    result = await within(waiting)
    assert (result.outcome, result.status, result.phrase) == ("failed", 486, "Busy Here")
    assert here.state == there.state == "answered"


async def test_a_transfer_can_be_refused(line):
    here, there = await line.up()

    def refuse(call, refer):
        raise SipCallError(603, "Decline")

    bad = await within(there.refer("sip:a@127.0.0.1:9?X=%0d%0aEvil:1"))
    assert (bad.outcome, bad.status) == ("refused", 400)
    here.on_refer = refuse
    result = await within(there.refer("sip:a@127.0.0.1:9"))
    assert (result.outcome, result.status) == ("refused", 603)


async def test_who_leaves_during_a_transfer_went_where_he_was_sent(line):
    here, there = await line.up()
    line.answering = False
    waiting = asyncio.create_task(there.refer(f"sip:a@127.0.0.1:{line.callee.address[1]}"))
    await within(line.calls.get())
    await here.hangup()
    assert (await within(waiting)).outcome == "succeeded"


async def test_audio_that_never_comes_ends_the_call():
    rtp = RtpOptions(initial_timeout_secs=0.5, later_timeout_secs=0.05)
    line = await Line().open(callee=Behaviour(timers=FAST, rtp=rtp))
    try:
        here, there = await line.up()
        end = await within(there.wait_ended())
        assert (end.by, end.phrase) == ("timeout", "no audio from the far end")
        assert (await within(here.wait_ended())).by == "remote"
        here, there = await line.up()
        loop = asyncio.get_running_loop()
        here.media.send(TONE[:160])
        began = loop.time()
        await within(there.wait_ended())
        assert loop.time() - began < 0.4
    finally:
        await line.close()


async def test_a_call_on_hold_is_not_timed_out():
    rtp = RtpOptions(initial_timeout_secs=0.1, later_timeout_secs=0.1)
    line = await Line().open()
    await line.caller.close()
    line.caller = await SipEndpoint.open(behaviour=Behaviour(timers=FAST, rtp=rtp))
    try:
        here, _ = await line.up()
        await within(here.hold(True))
        with pytest.raises(TimeoutError):
            await within(here.wait_ended(), 0.25)
        await within(here.hold(False))
        assert (await within(here.wait_ended())).by == "timeout"
    finally:
        await line.close()


async def test_a_handler_that_fails_ends_its_call_and_no_other():
    async def broken(call: SipCall) -> None:
        raise RuntimeError("bot is broken")

    callee = await SipEndpoint.open(on_invite=broken)
    caller = await SipEndpoint.open()
    call = caller.invite(f"sip:a@127.0.0.1:{callee.address[1]}", from_user="b")
    with pytest.raises(SipCallError, match="500"):
        await within(call.wait_answered())
    await caller.close()
    await callee.close()


async def test_closing_ends_every_call_politely():
    line = await Line().open()
    here, there = await line.up()
    line.answering = False
    ringing = line.dial()
    await within(line.calls.get())
    await within(line.callee.close())
    assert (await within(here.wait_ended())).by == "remote"
    assert (await within(ringing.wait_ended())).status == 486
    assert there.end == CallEnd("local", None, "BYE", 16)
    await line.caller.close()
    await line.caller.close()


async def test_ten_calls_at_once_lose_no_packet(line):
    calls = [await line.up() for _ in range(10)]
    senders = [PacedSender(call.media) for pair in calls for call in pair]
    for sender in senders:
        sender.start()
    await asyncio.sleep(0.5)
    for sender in senders:
        sender.stop()
    await asyncio.sleep(0.1)
    stats = [call.media.stats for pair in calls for call in pair]
    assert min(s.received for s in stats) >= 20
    assert sum(s.sent for s in stats) == sum(s.received for s in stats)
    assert sum(s.lost + s.late + s.foreign for s in stats) == 0


async def test_what_cannot_be_called_is_said_at_once(line):
    for uri in ("sip:a@example.com", "http://x", "+15550100"):
        with pytest.raises(SipParseError):
            line.caller.invite(uri, from_user="b")
    with pytest.raises(ValueError):
        line.caller.invite("sip:a@127.0.0.1", from_user="b", headers={"X": "a\r\nEvil: 1"})
    with pytest.raises(ValueError, match="advertised_host"):
        await SipEndpoint.open("0.0.0.0")
