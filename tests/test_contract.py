"""What the bot side relies on of LiveKit and its SIP bridge, one short test a behaviour.

Runs against the exchange in this process, and unchanged against any deployment whose LIVEKIT_URL,
LIVEKIT_API_KEY, LIVEKIT_API_SECRET and SIP_ADDRESS are in the environment. Each test names what it
pins, as seen on livekit-server 1.13.5 (788d4c35) and livekit-sip be5d3f57.
"""

import asyncio

import aiohttp
import jwt
import numpy as np
import pytest
from livekit import api, rtc
from livekit.protocol import agent as agent_pb
from livekit.protocol import sip as sip_pb

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from local.sip.digest import Credentials
from local.sip.errors import SipCallError
from tests.fakes_deployment import Deployment, digits, individual, secs
from tests.fakes_exchange import Client, loudness
from tests.fakes_phone import tone
from tests.fakes_worker import FakeWorker, worker_token

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY),
]


@pytest.fixture
async def livekit():
    deployment = await Deployment.open()
    yield deployment
    await deployment.close()


# The call before the answer


async def test_caller_is_in_the_room_with_its_facts_while_it_rings(livekit):
    """livekit-sip: identity sip_<from>, name, kind SIP, metadata of the rule, sip.* attributes."""
    call = await livekit.ringing(rule={"metadata": "rule-meta", "attributes": {"rule.attr": "x"}})
    caller, attributes = call.caller, call.caller.attributes
    assert caller.identity == f"sip_{livekit.caller}"
    assert caller.name == f"Phone {livekit.caller}"
    assert caller.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
    assert caller.metadata == "rule-meta"
    assert attributes["sip.callStatus"] == "ringing"
    assert attributes["sip.phoneNumber"] == livekit.caller
    assert attributes["sip.trunkPhoneNumber"] == call.line.number
    assert attributes["sip.callID"].startswith("SCL_")
    assert attributes["sip.callIDFull"] == call.call.call_id
    assert attributes["sip.callTag"] == call.call.local_tag
    assert attributes["sip.trunkID"] == call.line.trunk_id
    assert attributes["sip.ruleID"] == call.line.rule_id
    assert attributes["rule.attr"] == "x"
    assert "sip.hostname" in attributes


async def test_call_rings_until_the_bot_publishes_and_is_active_when_audio_flows(livekit):
    """livekit-sip: 100 Processing, 180 each second; publishing answers, then callStatus active."""
    call = await livekit.ringing()
    await call.phone.until(lambda: call.phone.responses().count((180, "Ringing")) >= 2)
    assert call.phone.responses()[0] == (100, "Processing")
    assert call.call.state == "ringing"
    await call.bot.publish()
    await call.call.wait_answered()
    await call.bot.wait_for("local_track_subscribed")
    await call.status("active")
    assert call.phone.responses()[-1] == (200, "OK")


async def test_call_without_any_audio_of_the_phone_is_active_a_second_after_the_answer(livekit):
    """livekit-sip waitMedia: without RTP, callStatus active comes 1.00 s after the 200."""
    line = await livekit.line()
    worker, phone = await livekit.worker(), await livekit.phone()
    call = phone.dial(line.number, livekit.sip_address, from_user=livekit.caller, talk=False)
    bot = await livekit.join((await worker.accept("mute-bot")).token)
    await bot.publish()
    await call.wait_answered()
    answered_at = asyncio.get_running_loop().time()
    await bot.wait_for("participant_attributes_changed")
    assert 0.8 < asyncio.get_running_loop().time() - answered_at < 2.0


async def test_headers_become_attributes_as_the_trunk_says(livekit):
    """livekit-sip: headers_to_attributes, and SIP_X_HEADERS includes only x-* as sip.h.<name>."""
    line = await livekit.line(
        trunk={
            "headers_to_attributes": {"X-Tenant": "tenant"},
            "include_headers": sip_pb.SIP_X_HEADERS,
        }
    )
    worker, phone = await livekit.worker(), await livekit.phone()
    phone.dial(
        line.number,
        livekit.sip_address,
        from_user=livekit.caller,
        headers={"X-Tenant": "acme", "Subject": "no"},
    )
    bot = await livekit.join((await worker.accept("bot")).token)
    (caller,) = bot.room.remote_participants.values()
    assert caller.attributes["tenant"] == "acme"
    assert caller.attributes["sip.h.x-tenant"] == "acme"
    assert not any("subject" in key.lower() for key in caller.attributes)


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        (individual("pre"), "pre_{caller}_{random}"),
        (individual(""), "{caller}_{random}"),
        (individual("pre", no_randomness=True), "pre_{caller}"),
        (
            sip_pb.SIPDispatchRule(
                dispatch_rule_callee=sip_pb.SIPDispatchRuleCallee(room_prefix="cal")
            ),
            "cal_{number}",
        ),
        (
            sip_pb.SIPDispatchRule(
                dispatch_rule_direct=sip_pb.SIPDispatchRuleDirect(room_name="contract-fixed")
            ),
            "contract-fixed",
        ),
    ],
)
async def test_rule_names_the_room(livekit, rule, pattern):
    """livekit-sip: room names of individual, callee and direct rules."""
    line = await livekit.line(rule={"rule": rule})
    worker, phone = await livekit.worker(), await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    job = (await worker.next("availability")).job
    livekit._rooms.add(job.room.name)
    random_part = job.room.name.rpartition("_")[2] if "{random}" in pattern else ""
    expected = pattern.format(caller=livekit.caller, number=line.number, random=random_part)
    assert job.room.name == expected
    assert len(random_part) in (0, 12)


async def test_answer_names_one_codec_of_the_bridges_choice(livekit):
    """livekit-sip: offer PCMA, PCMU is answered by PCMU alone and telephone-event; ptime 20."""
    call = await livekit.ringing()
    await call.bot.publish()
    await call.call.wait_answered()
    answer = next(
        m.body.decode()
        for way, m in call.phone.messages
        if way == "in" and m.body and "m=audio" in m.body.decode()
    )
    (media,) = [line for line in answer.splitlines() if line.startswith("m=audio")]
    assert media.split()[2:] == ["RTP/AVP", "0", "101"]
    assert "a=ptime:20" in answer and "a=sendrecv" in answer


async def test_offer_without_a_common_codec_gets_400(livekit):
    """livekit-sip: 100, 180, then 400 with an empty reason phrase."""
    line = await livekit.line()
    phone = await livekit.phone()
    call = phone.dial(line.number, livekit.sip_address, from_user=livekit.caller, codecs=())
    with pytest.raises(SipCallError) as refused:
        await call.wait_answered()
    assert refused.value.status == 400
    assert phone.responses() == [(100, "Processing"), (180, "Ringing"), (400, "")]


# Who is let in


async def test_call_to_a_number_of_no_trunk_gets_one_180_and_then_nothing(livekit):
    """livekit-sip: 100, one 180, silence; even a CANCEL gets no answer."""
    trunks = await livekit.client.sip.list_inbound_trunk(sip_pb.ListSIPInboundTrunkRequest())
    if any(not trunk.numbers for trunk in trunks.items):
        pytest.skip("this deployment has a trunk for every number")
    phone = await livekit.phone()
    call = phone.dial(f"+1555{digits(7)}", livekit.sip_address, from_user=livekit.caller)
    await call.wait_ringing()
    await call.hangup()
    await asyncio.sleep(1.2)
    assert phone.responses() == [(100, "Processing"), (180, "Ringing")]
    cancelled = [m for way, m in phone.messages if m.headers.get("CSeq").endswith("CANCEL")]
    assert [m for m in cancelled if hasattr(m, "status")] == []


async def test_trunk_with_a_password_challenges_by_407(livekit):
    """livekit-sip: 407 Unauthorized, MD5, realm LiveKit, no qop; wrong password 401; then 180."""
    login = {"auth_username": "user", "auth_password": "right-password"}
    line = await livekit.line(trunk=login)
    phone = await livekit.phone()

    def dial(credentials: Credentials | None):
        return phone.dial(
            line.number,
            livekit.sip_address,
            from_user=livekit.caller,
            credentials=credentials,
            talk=False,
        )

    with pytest.raises(SipCallError) as refused:
        await dial(None).wait_ringing()
    assert refused.value.status == 407
    challenge = next(
        value
        for way, m in phone.messages
        if way == "in" and (value := m.headers.get("Proxy-Authenticate"))
    )
    assert 'realm="LiveKit"' in challenge and "algorithm=MD5" in challenge
    assert "qop" not in challenge
    with pytest.raises(SipCallError) as refused:
        await dial(Credentials("user", "wrong")).wait_ringing()
    assert refused.value.status == 401
    call = dial(Credentials("user", "right-password"))
    await call.wait_ringing()
    await call.hangup()


async def test_rule_of_another_calling_number_does_not_match(livekit):
    """livekit-sip: a call that no dispatch rule takes is treated like one without a trunk."""
    rules = await livekit.client.sip.list_dispatch_rule(sip_pb.ListSIPDispatchRuleRequest())
    if any(not rule.trunk_ids for rule in rules.items):
        pytest.skip("this deployment has a rule for every trunk")
    line = await livekit.line(rule={"inbound_numbers": ["+15550000000"]})
    phone = await livekit.phone()
    call = phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    await call.wait_ringing()
    await asyncio.sleep(1.2)
    assert phone.responses() == [(100, "Processing"), (180, "Ringing")]


# Dispatch


async def test_job_carries_what_the_worker_needs(livekit):
    """agentservice: job in the request is JS_RUNNING, with room, metadata, agent_name, ids."""
    line = await livekit.line()
    worker, phone = await livekit.worker(), await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    asked = (await worker.next("availability")).job
    registered = await worker.next("register")
    assert asked.id.startswith("AJ_") and asked.dispatch_id.startswith("AD_")
    assert asked.room.name.startswith("call_") and asked.room.sid.startswith("RM_")
    assert (asked.agent_name, asked.metadata) == (livekit.agent_name, '{"cfg":1}')
    assert asked.type == agent_pb.JT_ROOM
    assert asked.state.status == agent_pb.JS_RUNNING
    assert asked.state.worker_id == registered.worker_id
    assert registered.worker_id.startswith("AW_")


async def test_job_token_joins_as_the_agent_the_worker_named(livekit):
    """agentservice: claims of the job token; assignment.url is empty, valid for one hour."""
    line = await livekit.line()
    worker, phone = await livekit.worker(), await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    assignment = await worker.accept(
        "bot-1",
        participant_name="Bot",
        participant_metadata="meta",
        participant_attributes={"my": "attr"},
    )
    claims = jwt.decode(assignment.token, livekit.secret, algorithms=["HS256"])
    assert (claims["iss"], claims["sub"], claims["name"]) == (livekit.key, "bot-1", "Bot")
    assert (claims["kind"], claims["metadata"]) == ("agent", "meta")
    assert claims["attributes"] == {"lk.agent_name": livekit.agent_name, "my": "attr"}
    assert claims["exp"] - claims["nbf"] == 3600
    video = claims["video"]
    for grant in ("roomJoin", "canPublish", "canSubscribe", "canPublishData", "agent"):
        assert video[grant] is True
    assert video["canUpdateOwnMetadata"] is True
    assert video["room"] == assignment.job.room.name
    assert assignment.url == ""
    assert assignment.job.state.participant_identity == "bot-1"
    bot = await livekit.join(assignment.token)
    assert bot.room.local_participant.identity == "bot-1"


async def test_refusal_passes_the_job_to_the_next_worker(livekit):
    """agentservice: available=false asks the next worker within milliseconds."""
    line = await livekit.line()
    workers = [await livekit.worker(), await livekit.worker()]
    phone = await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    waiting = [asyncio.create_task(w.next("availability")) for w in workers]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    first = next(n for n, task in enumerate(waiting) if task.done())
    await workers[first].refuse()
    await workers[1 - first].accept("bot-1")
    await asyncio.gather(*waiting)


@pytest.mark.parametrize(
    "busy",
    [
        {"load": 0.7},
        {"load": 0.95},
        {"load": 0.1, "status": agent_pb.WS_FULL},
    ],
)
async def test_worker_that_is_full_is_not_asked(livekit, busy):
    """agentservice: load 0.69 is asked; 0.70, 0.95 and WS_FULL are not."""
    line = await livekit.line()
    full, free = await livekit.worker(**busy), await livekit.worker(load=0.69)
    phone = await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    await free.accept("bot-1")
    assert not full.of("availability")


async def test_ping_of_a_worker_is_answered(livekit):
    """agentservice: ping → pong{last_timestamp, timestamp}."""
    worker = await livekit.worker()
    await worker.send(ping=agent_pb.WorkerPing(timestamp=1234))
    pong = await worker.next("pong", 2)
    assert pong.last_timestamp == 1234 and pong.timestamp > 1_700_000_000_000


async def test_worker_without_the_right_token_is_refused(livekit):
    """agentservice: 401 without the agent grant and for a bad signature, before any websocket."""
    no_grant = livekit.token("x", "room")
    for token in (no_grant, worker_token(livekit.key, "w" * 40)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await FakeWorker.connect(livekit.url, token)
        assert refused.value.status == 401


@pytest.mark.parametrize("first", [b"\xff\xff\xff", None])
async def test_worker_that_breaks_the_protocol_is_cut_off(livekit, first):
    """agentservice: undecodable bytes and an update before the registration end the TCP socket."""
    worker = await FakeWorker.connect(livekit.url, worker_token(livekit.key, livekit.secret))
    if first:
        await worker.send_raw(first)
    else:
        await worker.send(update_worker=agent_pb.UpdateWorkerStatus(load=0.1))
    assert await worker.closed() == 1006
    await worker.close()


async def test_answer_about_an_unknown_job_is_ignored(livekit):
    """agentservice: an AvailabilityResponse for an unknown job changes nothing."""
    worker = await livekit.worker()
    await worker.send(
        availability=agent_pb.AvailabilityResponse(job_id="AJ_nobody", available=True)
    )
    await worker.send(ping=agent_pb.WorkerPing(timestamp=1))
    await worker.next("pong", 2)
    assert not worker.of("assignment")


async def test_participant_job_carries_the_callers_attributes(livekit):
    """agentservice: JT_PARTICIPANT jobs come per caller, participant with its sip.* attributes."""
    line = await livekit.line()
    worker = await livekit.worker(job_type=agent_pb.JT_PARTICIPANT)
    phone = await livekit.phone()
    phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    job = (await worker.next("availability")).job
    assert job.type == agent_pb.JT_PARTICIPANT
    assert job.participant.identity == f"sip_{livekit.caller}"
    assert job.participant.attributes["sip.trunkPhoneNumber"] == line.number


async def test_dispatch_by_api_creates_the_room_lists_its_job_and_removes_the_bot(livekit):
    """AgentDispatchService: create opens the room; delete terminates, the bot is removed at 3 s."""
    worker = await livekit.worker()
    await livekit.warm()
    room = f"contract-{digits(8)}"
    dispatch = await livekit.client.agent_dispatch.create_dispatch(
        api.CreateAgentDispatchRequest(agent_name=livekit.agent_name, room=room, metadata="m")
    )
    assignment = await worker.accept("bot-1")
    bot = await livekit.join(assignment.token)
    listed = await livekit.client.agent_dispatch.list_dispatch(room)
    (mine,) = [d for d in listed if d.id == dispatch.id]
    assert mine.metadata == "m"
    assert [job.id for job in mine.state.jobs] == [assignment.job.id]
    await livekit.client.agent_dispatch.delete_dispatch(dispatch.id, room)
    assert (await worker.next("termination")).job_id == assignment.job.id
    (reason,) = await bot.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED


async def test_worker_learns_that_its_bot_left(livekit):
    """agentservice: termination follows the bot's leaving; list_dispatch keeps JS_RUNNING."""
    call = await livekit.answered()
    await call.bot.leave()
    assert (await call.worker.next("termination")).job_id == call.assignment.job.id
    (dispatch,) = [
        d
        for d in await livekit.client.agent_dispatch.list_dispatch(call.room)
        if d.agent_name == livekit.agent_name
    ]
    assert [job.state.status for job in dispatch.state.jobs] == [agent_pb.JS_RUNNING]


# The ends of a call


async def test_caller_hangs_up(livekit):
    """livekit-sip: hangup status, track gone, then CLIENT_INITIATED; BYE is answered 200."""
    call = await livekit.answered()
    await call.call.hangup()
    assert await call.caller_gone() == "CLIENT_INITIATED"
    assert call.statuses() == ["active", "hangup"]
    order = [
        name
        for name in call.bot.names()
        if name in ("track_unsubscribed", "track_unpublished", "participant_disconnected")
    ]
    assert order == ["track_unsubscribed", "track_unpublished", "participant_disconnected"]


async def test_caller_gives_up_while_it_rings(livekit):
    """livekit-sip: CANCEL is answered 200, the INVITE 487; CLIENT_INITIATED, hangup."""
    call = await livekit.ringing()
    await call.call.hangup()
    assert (487, "Request Terminated") in call.phone.responses()
    assert await call.caller_gone() == "CLIENT_INITIATED"
    assert call.statuses() == ["hangup"]


async def test_deleting_the_room_hangs_the_phone_up(livekit):
    """livekit-sip: BYE without Reason; callStatus stays active; the bot hears ROOM_DELETED."""
    call = await livekit.answered()
    await livekit.client.room.delete_room(api.DeleteRoomRequest(room=call.room))
    end = await asyncio.wait_for(call.call.wait_ended(), 5)
    assert end.by == "remote"
    (bye,) = call.phone.requests("BYE")
    assert bye.headers.get("Reason") == ""
    (reason,) = await call.bot.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    assert call.statuses() == ["active"]
    assert (await call.worker.next("termination")).job_id == call.assignment.job.id


async def test_removing_the_caller_hangs_the_phone_up_and_keeps_the_room(livekit):
    """livekit-sip: BYE; PARTICIPANT_REMOVED; callStatus stays active; the room stays open."""
    call = await livekit.answered()
    await livekit.client.room.remove_participant(
        api.RoomParticipantIdentity(room=call.room, identity=call.caller.identity)
    )
    assert (await asyncio.wait_for(call.call.wait_ended(), 5)).by == "remote"
    assert await call.caller_gone() == "PARTICIPANT_REMOVED"
    assert call.statuses() == ["active"]
    assert "disconnected" not in call.bot.names()


async def test_deleting_the_room_while_it_rings_refuses_the_call(livekit):
    """livekit-sip: 486 Rejected; callStatus stays ringing."""
    call = await livekit.ringing()
    await livekit.client.room.delete_room(api.DeleteRoomRequest(room=call.room))
    with pytest.raises(SipCallError) as refused:
        await call.call.wait_answered()
    assert (refused.value.status, refused.value.phrase) == (486, "Rejected")
    (reason,) = await call.bot.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    assert call.statuses() == []


async def test_removing_the_caller_while_it_rings_refuses_the_call(livekit):
    """livekit-sip: 486 Rejected; PARTICIPANT_REMOVED; callStatus stays ringing."""
    call = await livekit.ringing()
    await livekit.client.room.remove_participant(
        api.RoomParticipantIdentity(room=call.room, identity=call.caller.identity)
    )
    with pytest.raises(SipCallError, match="Rejected"):
        await call.call.wait_answered()
    assert await call.caller_gone() == "PARTICIPANT_REMOVED"


async def test_call_that_no_bot_answers_is_refused_when_the_trunk_has_rung_long_enough(livekit):
    """livekit-sip: 486 Rejected after ringing_timeout; CLIENT_INITIATED, hangup."""
    call = await livekit.ringing(trunk={"ringing_timeout": secs(1.5)})
    with pytest.raises(SipCallError) as refused:
        await asyncio.wait_for(call.call.wait_answered(), 8)
    assert (refused.value.status, refused.value.phrase) == (486, "Rejected")
    assert await call.caller_gone() == "CLIENT_INITIATED"
    assert call.statuses() == ["hangup"]


async def test_call_ends_at_the_trunks_longest_duration(livekit):
    """livekit-sip: BYE at max_call_duration; CLIENT_INITIATED, hangup."""
    call = await livekit.answered(trunk={"max_call_duration": secs(1)})
    assert (await asyncio.wait_for(call.call.wait_ended(), 8)).by == "remote"
    assert await call.caller_gone() == "CLIENT_INITIATED"
    assert call.statuses() == ["active", "hangup"]


async def test_bot_that_merely_leaves_leaves_the_caller_in_silence(livekit):
    """livekit-sip: no BYE when the bot leaves; silence is sent for ever."""
    call = await livekit.answered()
    await call.bot.leave()
    await call.worker.next("termination")
    heard = len(call.phone.heard)
    await call.phone.until(lambda: len(call.phone.heard) > heard + 60)
    assert call.phone.peak() < 100
    assert call.call.state == "answered"
    await livekit.client.room.delete_room(api.DeleteRoomRequest(room=call.room))
    await asyncio.wait_for(call.call.wait_ended(), 5)


async def test_room_closes_when_the_caller_is_gone_and_only_the_bot_is_left(livekit):
    """livekit-server: departure_timeout after the caller left: ROOM_CLOSED and termination."""
    call = await livekit.answered()
    await call.call.hangup()
    (reason,) = await call.bot.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_CLOSED
    await call.worker.next("termination")


async def test_second_join_of_the_bot_replaces_the_first(livekit):
    """livekit-server: the same identity and job token at once: DUPLICATE_IDENTITY for the old."""
    call = await livekit.answered()
    again = await livekit.join(call.assignment.token)
    (reason,) = await call.bot.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
    await again.publish()
    await again.wait_for("local_track_subscribed")
    assert call.call.state == "answered"


# Audio, digits, data


async def test_audio_passes_both_ways(livekit):
    """livekit-sip: PCMU ↔ Opus both ways; nothing of what the bot says is lost."""
    call = await livekit.answered()
    track = next(iter(call.caller.track_publications.values())).track
    assert track is not None
    call.phone.say(tone(500, 2.0))
    assert np.median((await loudness(track, 1.0))[25:]) > 5000
    before = len(call.phone.heard)
    await call.bot.say(440, 0.6)
    await call.phone.until(lambda: len(call.phone.heard) > before + 40)
    heard = np.concatenate(call.phone.heard[before:])
    assert 0.5 < np.count_nonzero(np.abs(heard.astype(int)) > 1000) / 8000 / 0.9 < 0.75


async def test_digits_of_the_phone_reach_the_bot_once_with_their_codes(livekit):
    """livekit-sip: sip_dtmf packets with code and digit, from the caller; 1, 2, # are 1, 2, 11."""
    call = await livekit.answered()
    await call.call.media.send_digits("12#")
    await call.bot.wait_for("sip_dtmf_received", 3)
    got = [args[0] for args in call.bot.of("sip_dtmf_received")]
    assert [(d.code, d.digit) for d in got] == [(1, "1"), (2, "2"), (11, "#")]
    assert {d.participant.identity for d in got} == {call.caller.identity}


async def test_digits_of_the_bot_reach_the_phone_one_after_the_other(livekit):
    """livekit-sip: RFC 4733 events, 260 ms each, 541 ms apart when asked for at once."""
    call = await livekit.answered()
    for digit in "5#":
        code = "0123456789*#".index(digit)
        await call.bot.room.local_participant.publish_dtmf(code=code, digit=digit)
    await call.phone.until(lambda: len(call.phone.digits) == 1)
    first_at = asyncio.get_running_loop().time()
    await call.phone.until(lambda: len(call.phone.digits) == 2)
    assert call.phone.digits == ["5", "#"]
    assert 0.4 < asyncio.get_running_loop().time() - first_at < 0.8


async def test_data_of_the_bot_reaches_others_and_not_itself(livekit):
    """livekit-server: a reliable packet with topic goes to everybody else, sender named."""
    call = await livekit.ringing()
    watcher = await livekit.join(livekit.token("watcher", call.room))
    await call.bot.room.local_participant.publish_data("news", reliable=True, topic="t")
    (packet,) = await watcher.wait_for("data_received")
    assert (packet.data, packet.topic) == (b"news", "t")
    assert packet.participant.identity == call.bot.room.local_participant.identity
    assert not call.bot.of("data_received")


async def test_hold_is_answered_as_if_it_were_none(livekit):
    """livekit-sip: a re-INVITE with sendonly is answered sendrecv; audio goes on; room unaware."""
    call = await livekit.answered()
    events = len(call.bot.of("participant_attributes_changed"))
    await call.call.hold(True)
    answers = [
        m.body.decode()
        for way, m in call.phone.messages
        if way == "in" and m.body and "m=audio" in m.body.decode()
    ]
    assert len(answers) == 2 and "a=sendrecv" in answers[1]
    assert len(call.bot.of("participant_attributes_changed")) == events


async def test_options_out_of_a_dialogue_is_answered(livekit):
    """livekit-sip: OPTIONS → 200, so that a PBX sees the trunk alive."""
    host, _, port = livekit.sip_address.rpartition(":")
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    class Probe(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            answer.set_result(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Probe, remote_addr=(host, int(port))
    )
    own = "{}:{}".format(*transport.get_extra_info("sockname")[:2])
    transport.sendto(
        f"OPTIONS sip:{livekit.sip_address} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{digits(8)};rport\r\n"
        f"From: <sip:probe@{own}>;tag=1\r\nTo: <sip:{livekit.sip_address}>\r\n"
        f"Call-ID: {digits(8)}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    assert (await asyncio.wait_for(answer, 5)).startswith(b"SIP/2.0 200")
    transport.close()


# Joining, and the API


async def test_refused_tokens_name_the_reason(livekit):
    """livekit-server: 401 on the upgrade, the body of /rtc/v1/validate is the SDK's message."""
    wrong = api.AccessToken(livekit.key, "w" * 40).with_identity("x")
    grants = api.VideoGrants(room_join=True, room="r")
    nobody = api.AccessToken("nobody", livekit.secret).with_identity("x")
    bare = api.AccessToken(livekit.key, livekit.secret).with_identity("x")
    for text, token in {
        "signature is invalid": wrong.with_grants(grants).to_jwt(),
        "invalid API key": nobody.with_grants(grants).to_jwt(),
        "permissions denied": bare.to_jwt(),
    }.items():
        with pytest.raises(rtc.ConnectError, match=f"401 Unauthorized - .*{text}"):
            await Client.join(livekit.url, token)


async def test_api_names_what_is_missing(livekit):
    """RoomService: Twirp code, status and message of unknown rooms, participants and grants."""
    room = f"contract-{digits(8)}"
    who = api.RoomParticipantIdentity(room=room, identity="nobody")
    for call, code, status, message in (
        (livekit.client.room.get_participant(who), "not_found", 404, "participant does not exist"),
        (
            livekit.client.room.remove_participant(who),
            "not_found",
            404,
            "participant does not exist",
        ),
        (
            livekit.client.room.delete_room(api.DeleteRoomRequest(room=room)),
            "not_found",
            404,
            "requested room does not exist",
        ),
        (
            livekit.client.agent_dispatch.list_dispatch(room),
            "unavailable",
            503,
            "no response from servers",
        ),
    ):
        with pytest.raises(api.TwirpError) as error:
            await call
        assert (error.value.code, error.value.status) == (code, status)
        assert message in error.value.message
    listed = await livekit.client.room.list_participants(api.ListParticipantsRequest(room=room))
    assert list(listed.participants) == []


async def test_api_without_a_grant_is_unauthenticated(livekit):
    """Twirp: a missing grant is 401 unauthenticated, a bad token plain text before Twirp."""
    url = livekit.url.replace("ws", "http", 1) + "/twirp/livekit.RoomService/ListRooms"
    async with aiohttp.ClientSession() as http:
        token = livekit.token("x", "r")
        async with http.post(url, json={}, headers={"Authorization": f"Bearer {token}"}) as r:
            assert r.status == 401
            assert (await r.json()) == {
                "code": "unauthenticated",
                "msg": "permissions denied",
            }
        async with http.post(url, json={}, headers={"Authorization": "Bearer x"}) as r:
            assert (r.status, await r.text()) == (401, "invalid authorization token")


async def test_trunk_that_anybody_could_use_is_refused(livekit):
    """SIP service: a trunk without numbers, addresses or password is invalid_argument."""
    with pytest.raises(api.TwirpError) as error:
        await livekit.client.sip.create_inbound_trunk(
            sip_pb.CreateSIPInboundTrunkRequest(trunk=sip_pb.SIPInboundTrunkInfo(name="open"))
        )
    assert (error.value.code, error.value.status) == ("invalid_argument", 400)


async def test_trunks_and_rules_are_listed_and_changed(livekit):
    """SIP service: list by id, update by field and by replacement; unknown trunk delete is 200."""
    line = await livekit.line()
    listed = await livekit.client.sip.list_inbound_trunk(
        sip_pb.ListSIPInboundTrunkRequest(trunk_ids=[line.trunk_id])
    )
    assert [t.numbers[0] for t in listed.items] == [line.number]
    changed = await livekit.client.sip.update_inbound_trunk_fields(line.trunk_id, name="renamed")
    assert (changed.name, list(changed.numbers)) == ("renamed", [line.number])
    rules = await livekit.client.sip.list_dispatch_rule(
        sip_pb.ListSIPDispatchRuleRequest(dispatch_rule_ids=[line.rule_id])
    )
    assert [list(rule.trunk_ids) for rule in rules.items] == [[line.trunk_id]]
    await livekit.client.sip.delete_trunk(sip_pb.DeleteSIPTrunkRequest(sip_trunk_id="ST_unknown"))


# Webhooks


async def test_webhooks_of_a_call_come_in_order_signed_and_in_livekits_form(livekit):
    """livekit-server: ten events of one call; camelCase, defaults left out, int64 as text."""
    if livekit.webhooks is None:
        pytest.skip("LIVEKIT_WEBHOOK_LISTEN is not set")
    call = await livekit.answered()
    await call.bot.wait_for("local_track_subscribed")
    await call.call.hangup()
    await livekit.webhooks.wait_for("room_finished", call.room)
    bodies = livekit.webhooks.of_room(call.room)
    caller, bot = f"sip_{livekit.caller}", call.bot.room.local_participant.identity
    assert [(b["event"], b.get("participant", {}).get("identity")) for b in bodies] == [
        ("room_started", None),
        ("participant_joined", caller),
        ("track_published", caller),
        ("participant_joined", bot),
        ("track_published", bot),
        ("track_unpublished", caller),
        ("participant_left", caller),
        ("track_unpublished", bot),
        ("participant_left", bot),
        ("room_finished", None),
    ]
    assert len({body["id"] for body in bodies}) == 10
    assert all(isinstance(body["createdAt"], str) for body in bodies)
    joined, published, left = bodies[1], bodies[2], bodies[6]
    assert joined["participant"]["state"] == "ACTIVE"
    assert joined["participant"]["kind"] == "SIP"
    assert joined["participant"]["attributes"]["sip.callStatus"] == "ringing"
    assert joined["room"]["emptyTimeout"] == 300
    assert published["room"] == {"sid": joined["room"]["sid"], "name": call.room}
    assert set(published["participant"]) == {"sid", "identity"}
    assert published["track"]["source"] == "MICROPHONE" and "type" not in published["track"]
    assert left["participant"]["state"] == "DISCONNECTED"
    assert left["participant"]["disconnectReason"] == "CLIENT_INITIATED"
    assert left["participant"]["attributes"]["sip.callStatus"] == "hangup"
    assert bodies[8]["participant"]["disconnectReason"] == "ROOM_CLOSED"
    header = next(h for h in livekit.webhooks.headers)
    assert header["Content-Type"] == "application/webhook+json"
    claims = jwt.decode(header["Authorization"], livekit.secret, algorithms=["HS256"])
    assert claims["iss"] == livekit.key and claims["exp"] - claims["nbf"] == 300
