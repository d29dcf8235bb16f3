"""What the bot side relies on of LiveKit when it places calls, transfers them and hangs them up.

Runs against the exchange in this process, and unchanged against any deployment, as
``test_contract`` does. Each test names what it pins, as seen on livekit-server 1.13.5 (788d4c35)
and livekit-sip be5d3f57 through livekit-api 1.2.2.
"""

import asyncio
import json

import pytest
from livekit import api, rtc
from livekit.protocol import sip as sip_pb

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from local.sip.errors import SipCallError
from tests.fakes_calls import CALLER_ID, LOGIN, Callee, Outgoing, strength
from tests.fakes_deployment import Deployment, individual, secs
from tests.fakes_exchange import loudness
from tests.fakes_phone import tone

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY),
]


@pytest.fixture
async def livekit():
    deployment = await Deployment.open()
    yield deployment
    await deployment.close()


@pytest.fixture
async def out(livekit):
    return await Outgoing.open(livekit)


def now() -> float:
    return asyncio.get_running_loop().time()


# Placing a call


async def test_phone_is_in_the_room_while_dialled_and_the_call_returns_once_it_is_active(out):
    """livekit-sip outbound: dialing → ringing → attributes of the answer → active → API returns."""
    made = await out.dial("person", participant_attributes={"own": "x"}, participant_name="Ann")
    call = await out.callee.calls.get()
    await out.status("active")
    (phone,) = out.bot.room.remote_participants.values()
    assert (made.participant_identity, made.room_name) == ("phone", out.room)
    assert (made.participant_id, phone.identity, phone.name) == (phone.sid, "phone", "Ann")
    assert phone.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP
    assert out.statuses() == ["ringing", "active"]
    assert phone.attributes == {
        "own": "x",
        "sip.callID": made.sip_call_id,
        "sip.callIDFull": call.call_id,
        "sip.callStatus": "active",
        "sip.callTag": call.local_tag,
        "sip.hostname": out.callee.address,
        "sip.phoneNumber": "person",
        "sip.trunkID": out.trunk_id,
        "sip.trunkPhoneNumber": CALLER_ID,
    }
    assert made.sip_call_id.startswith("SCL_")


async def test_invite_names_the_caller_id_and_carries_headers(livekit):
    """livekit-sip outbound: From is the caller id, headers of trunk and request; no User-Agent."""
    out = await Outgoing.open(livekit, headers={"X-Trunk": "t", "X-Both": "trunk"})
    await out.up(headers={"X-Both": "request"}, sip_number="+15551111", display_name="Blue Door")
    (invite,) = out.callee.requests("INVITE")
    sender = invite.headers.get("From")
    assert sender.startswith('"Blue Door" <sip:+15551111@')
    assert invite.uri.startswith("sip:person@")
    assert (invite.headers.get("X-Trunk"), invite.headers.get("X-Both")) == ("t", "request")
    assert not invite.headers.get("User-Agent")
    assert not invite.headers.get("P-Asserted-Identity")


async def test_audio_flows_both_ways_once_the_call_is_up(out):
    """livekit-sip outbound: the track is there at once; from the 200 on both sides are heard."""
    await out.up()
    (track, _, participant) = await out.bot.wait_for("track_subscribed")
    assert participant.identity == "phone"
    out.callee.say(tone(440, 3))
    heard = asyncio.create_task(loudness(track, 1))
    await out.bot.say(600, 1)
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) > 3000)
    assert max(await heard) > 3000


async def test_numbers_of_a_hidden_phone_are_kept_back(out):
    """CreateSIPParticipant hide_phone_number: no sip.phoneNumber, hostname, trunkPhoneNumber."""
    await out.up(hide_phone_number=True)
    (phone,) = out.bot.room.remote_participants.values()
    assert not {"sip.phoneNumber", "sip.hostname", "sip.trunkPhoneNumber"} & set(phone.attributes)


async def test_headers_of_the_answer_become_attributes(livekit):
    """livekit-sip outbound: headers_to_attributes and include_headers of the 200."""
    out = await Outgoing.open(livekit, headers_to_attributes={"X-Tenant": "tenant"})
    await out.up(include_headers=sip_pb.SIP_X_HEADERS)
    (phone,) = out.bot.room.remote_participants.values()
    assert phone.attributes["tenant"] == "acme"
    assert phone.attributes["sip.h.x-tenant"] == "acme"


REFUSALS = [
    (486, "resource_exhausted", 429, "INVITE failed", "USER_REJECTED"),
    (480, "resource_exhausted", 429, "INVITE failed", "USER_UNAVAILABLE"),
    (404, "not_found", 404, "INVITE failed", "USER_UNAVAILABLE"),
    (408, "deadline_exceeded", 408, "unexpected status", "USER_UNAVAILABLE"),
    (403, "permission_denied", 403, "unexpected status", "USER_REJECTED"),
    (603, "permission_denied", 403, "unexpected status", "USER_REJECTED"),
    (484, "invalid_argument", 400, "unexpected status", "USER_REJECTED"),
    (488, "invalid_argument", 400, "INVITE failed", "USER_REJECTED"),
    (487, "aborted", 409, "unexpected status", "USER_REJECTED"),
    (302, "not_found", 404, "unexpected status", "CLIENT_INITIATED"),
    (500, "failed_precondition", 412, "unexpected status", "CLIENT_INITIATED"),
    (503, "failed_precondition", 412, "unexpected status", "CLIENT_INITIATED"),
]


async def test_every_refusal_has_its_code_and_its_reason(out):
    """livekit-sip errors.go, protocol sip.go: SIP status → SipCallError and DisconnectReason."""
    for count, (status, code, http, words, reason) in enumerate(REFUSALS, 1):
        with pytest.raises(api.SipCallError) as refused:
            await out.dial(f"9{status}", participant_identity=f"phone-{status}")
        error = refused.value
        assert (error.code, error.status, error.sip_status_code) == (code, http, status)
        assert words in error.message and f"sip status: {status}: " in error.message
        assert error.sip_status
        assert await out.gone(count) == reason
        assert "hangup" not in out.statuses(f"phone-{status}")


async def test_carrier_that_wants_a_password_gets_it(livekit):
    """livekit-sip outbound: 407 is answered with the trunk's credentials."""
    out = await Outgoing.open(livekit, **LOGIN)
    await out.up("login")
    first, second = out.callee.requests("INVITE")
    assert first.call_id == second.call_id and second.cseq == first.cseq + 1
    assert 'username="user"' in second.headers.get("Proxy-Authorization")


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({}, "sip server required auth, but no username or password was provided"),
        ({**LOGIN, "auth_password": "wrong"}, "max auth retry attempts reached for SIP invite"),
    ],
)
async def test_carrier_that_is_not_satisfied_is_a_plain_error(livekit, login, words):
    """livekit-sip outbound: failed_precondition without any SIP status, USER_REJECTED."""
    out = await Outgoing.open(livekit, **login)
    with pytest.raises(api.ServerError) as refused:
        await out.dial("login")
    assert (refused.value.code, refused.value.status) == ("failed_precondition", 412)
    assert words in refused.value.message
    assert not isinstance(refused.value, api.SipCallError)
    assert await out.gone() == "USER_REJECTED"


@pytest.mark.parametrize("number", ["ring", "silent"])
async def test_call_that_nobody_answers_is_given_up_after_the_ringing_timeout(out, number):
    """livekit-sip outbound: plain canceled error "sip request timed out", USER_UNAVAILABLE."""
    began = now()
    with pytest.raises(api.ServerError) as refused:
        await out.dial(number, ringing_timeout=secs(1))
    assert 0.9 < now() - began < 8
    assert (refused.value.code, refused.value.status) == ("canceled", 408)
    assert "sip request timed out" in refused.value.message
    assert not isinstance(refused.value, api.SipCallError)
    assert await out.gone() == "USER_UNAVAILABLE"
    if number == "ring":
        await out.callee.until(lambda: out.callee.requests("CANCEL"))


async def test_phone_removed_while_it_rings_is_cancelled_at_once(out):
    """livekit-sip outbound: CANCEL, canceled error, PARTICIPANT_REMOVED."""
    dialling = asyncio.create_task(out.dial("ring"))
    await out.callee.calls.get()
    await out.livekit.client.room.remove_participant(
        api.RoomParticipantIdentity(room=out.room, identity="phone")
    )
    await out.callee.until(lambda: out.callee.requests("CANCEL"), 5)
    with pytest.raises(api.ServerError, match="sip request timed out") as refused:
        await dialling
    assert refused.value.code == "canceled"
    assert await out.gone() == "PARTICIPANT_REMOVED"


async def test_caller_who_does_not_wait_learns_of_a_failure_from_the_room(out):
    """CreateSIPParticipant without wait_until_answered: returns at the INVITE."""
    made = await out.dial("9486", wait_until_answered=False)
    assert made.sip_call_id.startswith("SCL_")
    assert await out.gone() == "USER_REJECTED"


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"sip_trunk_id": "ST_unknown"}, "not_found", "requested sip trunk does not exist"),
        ({"sip_trunk_id": ""}, "invalid_argument", "missing sip trunk id and sip number"),
        ({"sip_call_to": ""}, "invalid_argument", "missing sip callee number"),
        ({"sip_call_to": "a@b"}, "invalid_argument", "not a full SIP URI"),
        ({"headers": {"Contact": "x"}}, "invalid_argument", "header name"),
        ({"headers": {"X-Long": "x" * 1025}}, "invalid_argument", "too long"),
    ],
)
async def test_request_that_makes_no_sense_is_refused_before_any_sip(out, request_, code, words):
    """protocol sip.go CreateSIPParticipantRequest.Validate."""
    with pytest.raises(api.ServerError, match=words) as refused:
        await out.dial(**request_)
    assert refused.value.code == code
    assert not out.callee.messages


async def test_keys_are_pressed_at_the_answer_before_the_call_counts_as_active(out):
    """livekit-sip outbound dtmf="w1#": status automation, 0.5 s a "w", 0.54 s a digit."""
    began = now()
    await out.dial(dtmf="w1#")
    assert 1.2 < now() - began < 12
    await out.callee.until(lambda: out.callee.digits == ["1", "#"])
    await out.status("active")
    assert out.statuses() == ["ringing", "automation", "active"]


async def test_room_hears_ringing_while_the_phone_rings_if_asked_for(out):
    """CreateSIPParticipant play_dialtone: 425 Hz into the room until the answer."""
    dialling = asyncio.create_task(out.dial("ring", play_dialtone=True, ringing_timeout=secs(1.5)))
    track = (await out.bot.wait_for("track_subscribed"))[0]
    assert max(await loudness(track, 0.6)) > 3000
    with pytest.raises(api.ServerError):
        await dialling


async def test_call_ends_after_its_longest_time(out):
    """CreateSIPParticipant max_call_duration: BYE, hangup, CLIENT_INITIATED."""
    call = await out.up(max_call_duration=secs(1))
    assert (await call.wait_ended()).by == "remote"
    assert await out.gone() == "CLIENT_INITIATED"
    assert out.statuses()[-1] == "hangup"


async def test_second_phone_of_the_same_identity_sends_the_first_away(out):
    """livekit-server: BYE to the first leg at once, DUPLICATE_IDENTITY."""
    first = await out.up()
    await out.up("other")
    async with asyncio.timeout(5):
        assert (await first.wait_ended()).by == "remote"


@pytest.mark.parametrize("who", ["phone", "removed", "deleted"])
async def test_end_of_a_call_that_was_placed(out, who):
    """livekit-sip outbound: as on calls that came in; callStatus hangup only by the phone."""
    call = await out.up()
    if who == "phone":
        await call.hangup()
    elif who == "removed":
        identity = api.RoomParticipantIdentity(room=out.room, identity="phone")
        await out.livekit.client.room.remove_participant(identity)
    else:
        await out.livekit.client.room.delete_room(api.DeleteRoomRequest(room=out.room))
    end = await call.wait_ended()
    assert end.by == ("local" if who == "phone" else "remote")
    if who != "deleted":
        reason = {"phone": "CLIENT_INITIATED", "removed": "PARTICIPANT_REMOVED"}[who]
        assert await out.gone() == reason
        assert (out.statuses()[-1] == "hangup") == (who == "phone")
    if who != "phone":
        (bye,) = out.callee.requests("BYE")
        assert bye.headers.get("User-Agent") == "LiveKit"
        assert not bye.headers.get("Reason")


# Sending a phone elsewhere


async def test_transfer_that_succeeds_returns_and_ends_the_call_a_second_later(out):
    """livekit-sip transferCall: REFER, 202, NOTIFY 200; empty response; BYE after 1.0 s, hangup."""
    call = await out.up()
    call.on_refer = lambda call, refer: out.callee.endpoint.invite(refer.uri, from_user="phone")
    answer = await out.transfer(out.callee.uri("colleague"), headers={"X-Summary": "wants a table"})
    referred_at = now()
    assert answer == sip_pb.TransferSIPParticipantResponse()
    (refer,) = out.callee.requests("REFER")
    assert refer.headers.get("Refer-To") == f"<{out.callee.uri('colleague')}>"
    assert refer.headers.get("X-Summary") == "wants a table"
    assert refer.headers.get("Contact") and refer.headers.get("Allow")
    assert not refer.headers.get("Referred-By")
    assert (await call.wait_ended()).by == "remote"
    assert 0.7 < now() - referred_at < 8
    assert await out.gone() == "CLIENT_INITIATED"
    assert out.statuses()[-1] == "hangup"


async def test_transfer_of_a_call_that_came_in_works_the_same(livekit):
    """livekit-sip inbound transferCall."""
    inbound = await livekit.answered()
    callee = await Callee.open()
    livekit.closes(callee)
    await livekit.client.sip.transfer_sip_participant(
        sip_pb.TransferSIPParticipantRequest(
            room_name=inbound.room,
            participant_identity=inbound.caller.identity,
            transfer_to=callee.uri("colleague"),
        )
    )
    assert (await callee.calls.get()).to_user == "colleague"
    assert (await inbound.call.wait_ended()).by == "remote"
    assert await inbound.caller_gone() == "CLIENT_INITIATED"


async def test_transfer_to_somebody_busy_gives_the_call_back(out):
    """livekit-sip handleReferNotify: SipCallError with the status notified; the call goes on."""
    call = await out.up()
    with pytest.raises(api.SipCallError) as refused:
        await out.transfer(out.callee.uri("9486"))
    error = refused.value
    assert (error.code, error.sip_status_code) == ("resource_exhausted", 486)
    assert "call transfer failed: sip status: 486: Busy Here" in error.message
    await out.bot.say(600, 1)
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) > 3000)
    assert call.end is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (603, "permission_denied"),
        (403, "permission_denied"),
        (405, "invalid_argument"),
        (503, "failed_precondition"),
    ],
)
async def test_transfer_that_the_phone_refuses_gives_the_call_back(out, status, code):
    """livekit-sip sendRefer: the answer to the REFER itself; the call goes on."""
    call = await out.up()

    def refuse(call, refer):
        raise SipCallError(status, "Decline")

    call.on_refer = refuse
    with pytest.raises(api.SipCallError) as refused:
        await out.transfer("sip:colleague@127.0.0.1")
    assert (refused.value.code, refused.value.sip_status_code) == (code, status)
    assert f"sip status: {status}: Decline" in refused.value.message
    assert call.end is None


async def test_transfer_without_a_result_in_time_is_told_apart(out):
    """SIPService.TransferSIPParticipant: plain deadline_exceeded "request timed out"."""
    call = await out.up()
    began = now()
    with pytest.raises(api.ServerError, match="request timed out") as refused:
        await out.transfer(out.callee.uri("ring"), ringing_timeout=secs(1))
    assert 0.8 < now() - began < 8
    assert (refused.value.code, refused.value.status) == ("deadline_exceeded", 408)
    assert not isinstance(refused.value, api.SipCallError)
    assert call.end is None


async def test_phone_that_hangs_up_during_its_transfer_has_been_transferred(out):
    """livekit-sip transferCall: a BYE before the final NOTIFY is success."""
    call = await out.up()

    def leave(call, refer):
        call.spawn(call.hangup())
        return out.callee.endpoint.invite(out.callee.uri("ring"), from_user="phone")

    call.on_refer = leave
    await out.transfer(out.callee.uri("ring"))
    assert await out.gone() == "CLIENT_INITIATED"


async def test_phone_hears_ringing_in_place_of_the_bot_while_it_is_transferred(out):
    """TransferSIPParticipant play_dialtone: 425 Hz, bot muted; the bot is back after a failure."""
    await out.up()
    saying = asyncio.create_task(out.bot.say(600, 6))
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) > 3000)
    transfer = asyncio.create_task(
        out.transfer(out.callee.uri("ring"), play_dialtone=True, ringing_timeout=secs(2))
    )
    await out.callee.until(lambda: strength(out.callee.heard, 425, 10) > 3000)
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) < 300, 3)
    with pytest.raises(api.ServerError):
        await transfer
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) > 3000)
    saying.cancel()


@pytest.mark.parametrize(
    ("to", "identity", "code", "words"),
    [
        ("+15551234", "phone", "invalid_argument", "must be a valid SIP\\(s\\) or TEL URI"),
        ("h@x", "phone", "invalid_argument", "must be a valid SIP\\(s\\) or TEL URI"),
        ("", "phone", "invalid_argument", "missing transfer to"),
        ("sip:a@127.0.0.1", "nobody", "not_found", "participant does not exist"),
        ("sip:a@127.0.0.1", "bot", "invalid_argument", "no SIP session associated"),
    ],
)
async def test_transfer_that_makes_no_sense_is_refused(out, to, identity, code, words):
    """protocol sip.go TransferSIPParticipantRequest.Validate, livekit service sip.go."""
    with pytest.raises(api.ServerError, match=words) as refused:
        await out.transfer(to, identity)
    assert refused.value.code == code


async def test_telephone_number_is_referred_to_as_it_is(out):
    """livekit-sip NewReferRequest: a tel: URI goes bare into Refer-To."""
    call = await out.up()

    def refuse(call, refer):
        raise SipCallError(603, "Decline")

    call.on_refer = refuse
    with pytest.raises(api.SipCallError):
        await out.transfer("tel:+15551234")
    (refer,) = out.callee.requests("REFER")
    assert refer.headers.get("Refer-To") == "tel:+15551234"


async def test_nobody_is_moved_between_rooms(out):
    """livekit roommanager.go: MoveParticipant and ForwardParticipant are not implemented."""
    await out.up()
    for call, request in (
        (out.livekit.client.room.move_participant, api.MoveParticipantRequest),
        (out.livekit.client.room.forward_participant, api.ForwardParticipantRequest),
    ):
        with pytest.raises(api.ServerError, match="not implemented") as refused:
            await call(request(room=out.room, identity="phone", destination_room=f"{out.room}-2"))
        assert (refused.value.code, refused.value.status) == ("unknown", 500)


# Asking the phone's side


async def test_bot_ends_the_call_with_headers_of_its_own(livekit):
    """livekit-sip rpc.go lk.sip.EndCall: BYE with the headers given; hangup, CLIENT_INITIATED."""
    call = await livekit.answered()
    answer = await call.bot.room.local_participant.perform_rpc(
        destination_identity=call.caller.identity,
        method="lk.sip.EndCall",
        payload='{"headers": {"X-Outcome": "completed"}}',
    )
    assert answer == "{}"
    assert (await call.call.wait_ended()).by == "remote"
    (bye,) = call.phone.requests("BYE")
    assert bye.headers.get("X-Outcome") == "completed"
    assert await call.caller_gone() == "CLIENT_INITIATED"
    assert call.statuses()[-1] == "hangup"


async def test_bot_reads_the_headers_of_the_far_end(livekit):
    """livekit-sip rpc.go lk.sip.GetRemoteHeaders: INVITE's of a call that came in, or the 200's."""
    call = await livekit.answered()
    headers = await _remote_headers(call.bot.room, call.caller.identity, "")
    assert headers["Call-ID"] == call.call.call_id
    assert not {"Via", "CSeq", "Allow", "Content-Type"} & set(headers)
    out = await Outgoing.open(livekit)
    await out.up()
    only = await _remote_headers(out.bot.room, "phone", '{"include": ["x-tenant"]}')
    assert only == {"X-Tenant": "acme"}


async def _remote_headers(room: rtc.Room, identity: str, payload: str) -> dict[str, str]:
    answer = await room.local_participant.perform_rpc(
        destination_identity=identity, method="lk.sip.GetRemoteHeaders", payload=payload
    )
    return json.loads(answer)["headers"]


async def test_other_procedures_are_not_known_to_a_phone(out):
    """livekit-server: RPC error 1400."""
    await out.up()
    with pytest.raises(rtc.RpcError) as refused:
        await out.bot.room.local_participant.perform_rpc(
            destination_identity="phone", method="lk.sip.Nope", payload=""
        )
    assert refused.value.code == 1400


# Two phones in one room


async def second_phone(out: Outgoing) -> Callee:
    """Another phone, called without a trunk of its own; its identity is ``human``."""
    human = await Callee.open()
    out.livekit.closes(human)
    way = sip_pb.SIPOutboundConfig(hostname=human.address)
    await out.dial(
        "human", participant_identity="human", sip_trunk_id="", trunk=way, sip_number=CALLER_ID
    )
    return human


async def test_phone_hears_the_bot_and_the_other_phone_at_once(out):
    """livekit-sip mixes what it subscribes to."""
    await out.up()
    human = await second_phone(out)
    human.say(tone(900, 4))
    saying = asyncio.create_task(out.bot.say(600, 4))
    await out.callee.until(
        lambda: (
            strength(out.callee.heard, 600, 10) > 3000
            and strength(out.callee.heard, 900, 10) > 3000
        )
    )
    await human.until(lambda: strength(human.heard, 600, 10) > 3000)
    assert strength(human.heard, 900) < 300
    saying.cancel()


async def test_phone_is_kept_from_hearing_another_until_they_are_joined(out):
    """livekit-server UpdateSubscriptions holds for phones; merged, both are heard."""
    await out.up()
    human = await second_phone(out)
    await out.listen("phone", "human", False)
    human.say(tone(900, 20))
    await asyncio.sleep(1.0)
    assert strength(out.callee.heard, 900) < 300
    await out.listen("phone", "human", True)
    await out.callee.until(lambda: strength(out.callee.heard, 900, 10) > 3000)


async def test_answer_undoes_what_was_chosen_while_the_phone_rang(out):
    """livekit-sip outbound: at the answer the phone subscribes to everything."""
    await out.up()
    human = await Callee.open()
    out.livekit.closes(human)
    way = sip_pb.SIPOutboundConfig(hostname=human.address)
    request = {"sip_trunk_id": "", "trunk": way, "sip_number": CALLER_ID}
    dialling = asyncio.create_task(out.dial("ring", participant_identity="human", **request))
    call = await human.calls.get()
    await out.bot.wait_for("participant_connected", 2)
    await out.listen("human", "phone", False)
    human.take_up(call)
    await call.answer()
    await dialling
    out.callee.say(tone(900, 5))
    await human.until(lambda: strength(human.heard, 900, 10) > 3000)
    await out.listen("human", "phone", False)
    await human.until(lambda: strength(human.heard, 900, 10) < 300)


async def test_bot_chooses_which_phone_may_hear_it(out):
    """livekit-server: set_track_subscription_permissions holds for phones."""
    out.bot.room.local_participant.set_track_subscription_permissions(
        allow_all_participants=False,
        participant_permissions=[
            rtc.ParticipantTrackPermission(participant_identity="phone", allow_all=True)
        ],
    )
    await out.up()
    human = await second_phone(out)
    saying = asyncio.create_task(out.bot.say(600, 20))
    await out.callee.until(lambda: strength(out.callee.heard, 600, 10) > 3000)
    await asyncio.sleep(0.5)
    assert strength(human.heard, 600) < 300
    saying.cancel()


async def test_phones_go_on_without_the_bot_and_without_each_other(out):
    """livekit-server: the bot's leaving ends no phone; a phone left alone stays in silence."""
    call = await out.up()
    human = await second_phone(out)
    human_call = await human.calls.get()
    await out.bot.leave()
    human.say(tone(900, 3))
    await out.callee.until(lambda: strength(out.callee.heard, 900, 10) > 3000)
    await human_call.hangup()
    await asyncio.sleep(1.5)
    assert call.end is None


async def test_digits_reach_every_phone_of_the_room(out):
    """livekit-sip: publish_dtmf and the digits of a phone go to all other SIP participants."""
    call = await out.up()
    human = await second_phone(out)
    await out.bot.room.local_participant.publish_dtmf(code=5, digit="5")
    await out.callee.until(lambda: out.callee.digits == ["5"])
    await human.until(lambda: human.digits == ["5"])
    await call.media.send_digits("7")
    await human.until(lambda: human.digits == ["5", "7"])
    (event,) = await out.bot.wait_for("sip_dtmf_received")
    assert (event.digit, event.code, event.participant.identity) == ("7", 7, "phone")
    assert out.callee.digits == ["5"]


async def test_phone_that_holds_is_answered_as_if_it_did_not(livekit):
    """livekit-sip: a hold is answered sendrecv, audio goes on, the room sees nothing."""
    call = await livekit.answered()
    changes = len(call.bot.of("participant_attributes_changed"))
    await call.call.hold(True)
    answers = [m for w, m in call.phone.messages if w == "in" and m.body and b"m=audio" in m.body]
    assert b"a=sendrecv" in answers[-1].body
    assert answers[-1].body == answers[-2].body
    heard = len(call.phone.heard)
    await call.phone.until(lambda: len(call.phone.heard) > heard + 25)
    assert len(call.bot.of("participant_attributes_changed")) == changes
    await call.call.hold(False)


async def test_trunk_says_how_long_the_phone_may_send_nothing(livekit):
    """livekit-sip media.media_timeout: BYE, hangup, CLIENT_INITIATED, once no RTP came for it."""
    call = await livekit.answered(trunk={"media": sip_pb.SIPMediaConfig(media_timeout=secs(1))})
    call.phone.fall_silent()
    async with asyncio.timeout(5):
        assert (await call.call.wait_ended()).by == "remote"
    assert await call.caller_gone() == "CLIENT_INITIATED"


# A line with a PIN


def with_pin(pin: str, prefix: str = "pin") -> dict:
    rule = sip_pb.SIPDispatchRuleIndividual(room_prefix=prefix, pin=pin)
    return {"rule": sip_pb.SIPDispatchRule(dispatch_rule_individual=rule)}


async def test_caller_with_the_pin_is_let_in_and_active_at_once(livekit):
    """livekit-sip pinPrompt: 200 first, then digits and "#", then the room; no ringing."""
    line = await livekit.line(rule=with_pin("1234"))
    worker, phone = await livekit.worker(), await livekit.phone()
    call = phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    await call.wait_answered()
    await call.media.send_digits("1234#")
    bot = await livekit.join((await worker.accept("bot")).token)
    (caller,) = bot.room.remote_participants.values()
    assert caller.attributes["sip.callStatus"] == "active"
    assert bot.room.name.startswith(f"pin_{livekit.caller}_")
    await bot.publish()
    saying = asyncio.create_task(bot.say(600, 3))
    await phone.until(lambda: strength(phone.heard, 600, 10) > 3000)
    saying.cancel()


async def test_caller_with_a_wrong_pin_is_hung_up(livekit):
    """livekit-sip pinPrompt: a prompt, then BYE; no room."""
    line = await livekit.line(rule=with_pin("1234"))
    phone = await livekit.phone()
    call = phone.dial(line.number, livekit.sip_address, from_user=livekit.caller)
    await call.wait_answered()
    await call.media.send_digits("99#")
    async with asyncio.timeout(8):
        assert (await call.wait_ended()).by == "remote"
    rooms = (await livekit.client.room.list_rooms(api.ListRoomsRequest())).rooms
    assert not [room for room in rooms if livekit.caller in room.name]


# Trunks


async def test_outbound_trunk_is_made_changed_listed_and_deleted(livekit):
    """livekit-server SIP service: CRUD of outbound trunks."""
    sip = livekit.client.sip
    trunk_id = await livekit.outbound_trunk("127.0.0.1:5999", name="carrier", **LOGIN)
    listing = sip_pb.ListSIPOutboundTrunkRequest(trunk_ids=[trunk_id])
    (trunk,) = (await sip.list_outbound_trunk(listing)).items
    assert (trunk.name, trunk.address, list(trunk.numbers)) == (
        "carrier",
        "127.0.0.1:5999",
        [CALLER_ID],
    )
    changed = await sip.update_outbound_trunk_fields(trunk_id, address="127.0.0.1:5998")
    assert (changed.address, changed.auth_username) == ("127.0.0.1:5998", "user")
    replaced = await sip.update_outbound_trunk(
        trunk_id, sip_pb.SIPOutboundTrunkInfo(address="127.0.0.1:5997", numbers=["+15550001"])
    )
    assert (replaced.sip_trunk_id, replaced.address) == (trunk_id, "127.0.0.1:5997")
    await sip.delete_trunk(sip_pb.DeleteSIPTrunkRequest(sip_trunk_id=trunk_id))
    assert trunk_id not in [
        t.sip_trunk_id
        for t in (await sip.list_outbound_trunk(sip_pb.ListSIPOutboundTrunkRequest())).items
    ]


@pytest.mark.parametrize(
    ("trunk", "words"),
    [
        ({"numbers": []}, "no trunk numbers specified"),
        ({"address": ""}, "no outbound address specified"),
        ({"address": "sip:127.0.0.1"}, "should be a hostname or IP"),
        ({"address": "127.0.0.1;transport=udp"}, "should not contain transport parameter"),
        ({"headers": {"From": "x"}}, "header name"),
    ],
)
async def test_outbound_trunk_that_cannot_work_is_refused(livekit, trunk, words):
    """protocol sip.go SIPOutboundTrunkInfo.Validate."""
    with pytest.raises(api.ServerError, match=words) as refused:
        await livekit.outbound_trunk(**{"address": "127.0.0.1:5999", **trunk})
    assert refused.value.code == "invalid_argument"


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ({}, {}, True),
        ({"allowed_addresses": ["127.0.0.1"]}, {"allowed_addresses": ["10.0.0.1"]}, True),
        ({}, {"allowed_numbers": ["+15550001"]}, False),
        ({"allowed_numbers": ["+15550001"]}, {"allowed_numbers": ["+1 555 0001"]}, True),
        ({"allowed_numbers": ["+15550001"]}, {"allowed_numbers": ["+15550002"]}, False),
    ],
)
async def test_inbound_trunks_conflict_by_called_and_calling_number(
    livekit, first, second, conflict
):
    """protocol sip/sip.go ValidateTrunksIter: addresses do not tell trunks apart."""
    line = await livekit.line(trunk=first)
    made = livekit.line(trunk={"numbers": [line.number], **second})
    if conflict:
        with pytest.raises(api.ServerError, match="Conflicting inbound SIP Trunks") as refused:
            await made
        assert refused.value.code == "invalid_argument"
    else:
        await made


async def test_second_rule_for_the_same_calls_is_refused(livekit):
    """protocol sip/sip.go DispatchRuleValidator: same trunk, numbers and PIN."""
    line = await livekit.line()
    rule = sip_pb.SIPDispatchRuleInfo(rule=individual("again"), trunk_ids=[line.trunk_id])
    request = sip_pb.CreateSIPDispatchRuleRequest(dispatch_rule=rule)
    with pytest.raises(api.ServerError, match="already exists in dispatch rule") as refused:
        await livekit.client.sip.create_dispatch_rule(request)
    assert refused.value.code == "invalid_argument"
