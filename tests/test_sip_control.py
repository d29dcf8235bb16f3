"""Phones dialled and referred over LiveKit's API, and what becomes of them."""

import asyncio
import base64
import json
from dataclasses import replace

import pytest
from livekit.protocol.models import ParticipantInfo, Room
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomResponse,
    ListParticipantsResponse,
)
from livekit.protocol.sip import (
    CreateSIPParticipantRequest,
    ListSIPOutboundTrunkResponse,
    SIPOutboundTrunkInfo,
    SIPParticipantInfo,
    SIPStatus,
    SIPTransferStatus,
    TransferSIPParticipantRequest,
    TransferSIPParticipantResponse,
)

from tests.fakes_livekit_api import FakeLiveKitApi, RingingPhone, twirp_error
from transports import dialler, livekit_api
from transports.leg import Leg, LegResult, dial_failure, outcome_of_sip, refer_failure
from transports.line_error import LineError
from transports.sip_control import SipControl

LEG = Leg(
    "room",
    "+15550123",
    "callee",
    "ST_1",
    name="Ada",
    caller_id="+15550100",
    ring_secs=9.5,
    max_call_secs=120,
    headers={"X-Call": "1"},
    attributes={"role": "callee"},
)
REQUIRED_AUTH = "sip server required auth, but no username or password was provided"


@pytest.fixture
async def api():
    async with FakeLiveKitApi().serve() as fake:
        yield fake


@pytest.fixture
async def control(api):
    control = SipControl(
        api.url.replace("http", "ws", 1), "key", "a-secret-that-is-long-enough-32b"
    )
    yield control
    await control.aclose()
    await control.aclose()


# Every row of what a real server answered to CreateSIPParticipant.
@pytest.mark.parametrize(
    "sip_code, twirp, outcome, retryable",
    [
        (486, "resource_exhausted", "busy", True),
        (600, "resource_exhausted", "busy", True),
        (480, "resource_exhausted", "no_answer", True),
        (404, "not_found", "invalid_number", False),
        (410, "not_found", "invalid_number", False),
        (604, "not_found", "invalid_number", False),
        (408, "deadline_exceeded", "no_answer", True),
        (403, "permission_denied", "refused", False),
        (603, "permission_denied", "declined", False),
        (607, "permission_denied", "declined", False),
        (608, "permission_denied", "refused", False),
        (484, "invalid_argument", "invalid_number", False),
        (488, "invalid_argument", "failed", False),
        (487, "aborted", "no_answer", True),
        (302, "not_found", "failed", False),
        (500, "failed_precondition", "trunk_failure", True),
        (503, "failed_precondition", "trunk_failure", True),
        (513, "failed_precondition", "trunk_failure", False),
        (401, "unauthenticated", "trunk_failure", False),
        (407, "unauthenticated", "trunk_failure", False),
    ],
)
def test_sip_status_of_a_dialled_phone_says_what_became_of_it(sip_code, twirp, outcome, retryable):
    result = dial_failure(twirp, "INVITE failed", sip_code=sip_code, sip_status="So")
    assert result == LegResult(outcome, sip_code, "So", retryable=retryable)
    assert refer_failure(twirp, "no", sip_code=sip_code, sip_status="So") == result


@pytest.mark.parametrize(
    "code, message, outcome, retryable",
    [
        ("failed_precondition", REQUIRED_AUTH, "trunk_failure", False),
        ("failed_precondition", "max auth retry attempts reached", "trunk_failure", False),
        ("canceled", "sip request timed out", "no_answer", True),
        ("deadline_exceeded", "request timed out", "no_answer", True),
        ("not_found", "requested sip trunk does not exist", "trunk_failure", False),
        ("invalid_argument", "missing sip trunk id and sip number", "trunk_failure", False),
        ("invalid_argument", "missing sip callee number", "invalid_number", False),
        ("invalid_argument", "SipCallTo should be a phone number or SIP user", "invalid_number", 0),
        ("invalid_argument", "lookup carrier.invalid: no such host", "trunk_failure", False),
        ("unavailable", "cpu exhausted", "trunk_failure", True),
        ("unauthenticated", "permissions denied", "failed", False),
        ("internal", "oops", "failed", False),
    ],
)
def test_failure_without_a_sip_status_is_told_by_its_code(code, message, outcome, retryable):
    result = dial_failure(code, f"twirp error unknown: {message}")
    assert (result.outcome, result.retryable, result.sip_code) == (outcome, bool(retryable), None)


# Every row of what a real server answered to TransferSIPParticipant.
@pytest.mark.parametrize(
    "code, message, more, outcome",
    [
        ("resource_exhausted", "call transfer failed", {"sip_code": 486}, "busy"),
        ("permission_denied", "sip status: 603: Decline", {"sip_code": 603}, "declined"),
        ("permission_denied", "sip status: 403", {"sip_code": 403}, "refused"),
        ("invalid_argument", "sip status: 405", {"sip_code": 405}, "refused"),
        ("failed_precondition", "sip status: 503", {"sip_code": 503}, "trunk_failure"),
        ("deadline_exceeded", "request timed out", {}, "unknown"),
        ("canceled", "refer canceled", {}, "unknown"),
        ("aborted", "late", {"transfer_reason": "STR_RINGING_TIMEOUT"}, "unknown"),
        ("aborted", "lost", {"transfer_reason": "STR_SUBSCRIPTION_TERMINATED"}, "unknown"),
        ("aborted", "no", {"transfer_reason": "STR_REJECTED"}, "declined"),
        ("canceled", "ended", {"transfer_reason": "STR_CALL_ENDED"}, "failed"),
        ("invalid_argument", "transfer_to must be a valid SIP(s) or TEL URI", {}, "invalid_number"),
        ("invalid_argument", "missing transfer to", {}, "invalid_number"),
        ("invalid_argument", "no SIP session associated with participant", {}, "failed"),
        ("not_found", "participant does not exist", {}, "failed"),
    ],
)
def test_refused_transfer_is_told_from_one_whose_end_is_unknown(code, message, more, outcome):
    assert refer_failure(code, message, **more).outcome == outcome


def test_any_2xx_is_an_answer():
    assert outcome_of_sip(200) == outcome_of_sip(202) == "answered"


async def test_answered_phone_was_dialled_as_ordered(api, control):
    api.answers["CreateSIPParticipant"] = SIPParticipantInfo(sip_call_id="SCL_1")
    result = await control.dial(LEG)
    assert (result.outcome, result.sip_code, result.sip_call_id) == ("answered", 200, "SCL_1")
    asked = CreateSIPParticipantRequest.FromString(api.bodies["CreateSIPParticipant"])
    assert asked.wait_until_answered
    assert (asked.sip_trunk_id, asked.sip_call_to, asked.sip_number) == (
        "ST_1",
        "+15550123",
        "+15550100",
    )
    assert (asked.room_name, asked.participant_identity) == ("room", "callee")
    assert asked.ringing_timeout.ToMilliseconds() == 9500
    assert asked.max_call_duration.ToMilliseconds() == 120_000
    assert (dict(asked.headers), dict(asked.participant_attributes)) == (
        {"X-Call": "1"},
        {"role": "callee"},
    )


async def test_busy_phone_is_a_result_with_its_code_and_is_not_dialled_again(api, control):
    api.answers["CreateSIPParticipant"] = twirp_error(
        "resource_exhausted",
        "twirp error unknown: INVITE failed: sip status: 486: Busy Here",
        429,
        sip_status_code="486",
        sip_status="Busy Here",
    )
    result = await control.dial(LEG)
    assert (result.outcome, result.sip_code, result.sip_status, result.retryable) == (
        "busy",
        486,
        "Busy Here",
        True,
    )
    assert api.asked == ["CreateSIPParticipant"]


async def test_failing_server_is_asked_once_so_that_no_phone_rings_twice(api, control):
    api.answers["CreateSIPParticipant"] = twirp_error("internal", "oops", 500)
    assert (await control.dial(LEG)).outcome == "failed"
    assert api.asked == ["CreateSIPParticipant"]


async def test_phone_hung_up_by_somebody_else_is_no_unanswered_one(api, control):
    phone = RingingPhone(api)
    dialling = asyncio.create_task(control.dial(LEG))
    await phone.present.wait()
    await control.remove("room", "callee")
    result = await dialling
    assert (result.outcome, result.retryable) == ("failed", False)


async def test_ringing_until_the_limit_is_no_answer(api, control):
    api.answers["CreateSIPParticipant"] = twirp_error("canceled", "sip request timed out", 408)
    result = await control.dial(replace(LEG, ring_secs=0.2))
    assert (result.outcome, result.retryable) == ("no_answer", True)


@pytest.mark.parametrize("appears", [True, False])
async def test_cancelled_dialling_hangs_the_phone_up_before_it_raises(api, control, appears):
    phone = RingingPhone(api, appears=appears)
    dialling = asyncio.create_task(control.dial(LEG))
    await phone.asked.wait()
    dialling.cancel()
    if not appears:  # the participant comes only after the first attempt to remove it
        await phone.missed.wait()
        phone.present.set()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert phone.removed.is_set()


async def test_phone_answered_while_dialling_is_cancelled_is_hung_up(api, control):
    phone = RingingPhone(api, appears=False)
    dialling = asyncio.create_task(control.dial(LEG))
    await phone.asked.wait()
    dialling.cancel()
    await phone.missed.wait()
    phone.present.set()
    phone.result.set_result(SIPParticipantInfo(sip_call_id="SCL_1"))
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert phone.removed.is_set()


async def test_livekit_that_does_not_answer_is_a_result_not_an_exception(monkeypatch):
    monkeypatch.setattr(livekit_api, "PAUSE_SECS", 0)
    control = SipControl("ws://127.0.0.1:1", "key", "a-secret-that-is-long-enough-32b")
    result = await control.dial(LEG)
    assert (result.outcome, result.retryable) == ("failed", True)
    assert (await control.refer("room", "x", "tel:+1")).outcome == "unknown"
    assert not await control.delete_room("room")
    with pytest.raises(LineError) as caught:
        await control.find_trunk()
    assert (caught.value.code, caught.value.retryable) == ("livekit_unreachable", True)
    await control.aclose()


async def test_stuck_livekit_does_not_hold_up_a_cancelled_dialling(api, control, monkeypatch):
    monkeypatch.setattr(dialler, "CANCEL_SECS", 0.1)
    phone = RingingPhone(api, appears=False)
    dialling = asyncio.create_task(control.dial(LEG))
    await phone.asked.wait()
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    phone.result.cancel()


async def test_successful_transfer_answers_with_nothing_in_it(api, control):
    api.answers["TransferSIPParticipant"] = TransferSIPParticipantResponse()
    result = await control.refer(
        "room", "caller", "sip:desk@pbx", headers={"X-Call": "1"}, ring_secs=20
    )
    assert result.outcome == "answered"
    asked = TransferSIPParticipantRequest.FromString(api.bodies["TransferSIPParticipant"])
    assert (asked.room_name, asked.participant_identity, asked.transfer_to) == (
        "room",
        "caller",
        "sip:desk@pbx",
    )
    assert (dict(asked.headers), asked.ringing_timeout.seconds) == ({"X-Call": "1"}, 20)


@pytest.mark.parametrize(
    "answer, outcome",
    [
        (
            twirp_error("resource_exhausted", "failed", 429, sip_status_code="486", sip_status="B"),
            "busy",
        ),
        (twirp_error("deadline_exceeded", "request timed out", 408), "unknown"),
        (
            twirp_error("aborted", "x", 409, sip_transfer_reason="STR_REJECTED"),
            "declined",
        ),
    ],
)
async def test_transfer_that_fails_is_a_result(api, control, answer, outcome):
    api.answers["TransferSIPParticipant"] = answer
    assert (await control.refer("room", "caller", "tel:+15550180")).outcome == outcome


async def test_transfer_that_newer_servers_answer_as_failed_has_failed(api, control):
    api.answers["TransferSIPParticipant"] = TransferSIPParticipantResponse(
        status=SIPTransferStatus.STS_TRANSFER_FAILED, sip_status=SIPStatus(code=486, status="Busy")
    )
    result = await control.refer("room", "caller", "tel:+15550180")
    assert (result.outcome, result.sip_code) == ("busy", 486)


TRUNKS = ListSIPOutboundTrunkResponse(
    items=[
        SIPOutboundTrunkInfo(
            sip_trunk_id="ST_1", name="local", address="127.0.0.1:5060", numbers=["+15550100"]
        ),
        SIPOutboundTrunkInfo(sip_trunk_id="ST_2", name="carrier"),
        SIPOutboundTrunkInfo(sip_trunk_id="ST_3", name="twin"),
        SIPOutboundTrunkInfo(sip_trunk_id="ST_4", name="twin"),
    ]
)


async def test_trunk_is_found_by_id_or_name(api, control):
    api.answers["ListSIPOutboundTrunk"] = TRUNKS
    assert (await control.find_trunk("local")).trunk_id == "ST_1"
    found = await control.find_trunk("ST_1")
    assert (found.name, found.address, found.numbers) == ("local", "127.0.0.1:5060", ("+15550100",))


@pytest.mark.parametrize("wanted", ["", "nowhere", "twin"])
async def test_trunk_that_is_not_certain_is_an_error_that_lists_the_known(api, control, wanted):
    api.answers["ListSIPOutboundTrunk"] = TRUNKS
    with pytest.raises(LineError, match="known: local, carrier, twin, twin") as caught:
        await control.find_trunk(wanted)
    assert caught.value.code == "no_trunk"


async def test_only_trunk_needs_no_name(api, control):
    api.answers["ListSIPOutboundTrunk"] = ListSIPOutboundTrunkResponse(items=TRUNKS.items[:1])
    assert (await control.find_trunk()).trunk_id == "ST_1"
    api.answers["ListSIPOutboundTrunk"] = ListSIPOutboundTrunkResponse()
    with pytest.raises(LineError, match="LiveKit has no outbound trunk"):
        await control.find_trunk()


async def test_rooms_are_made_looked_into_and_ended(api, control, monkeypatch):
    monkeypatch.setattr(livekit_api, "PAUSE_SECS", 0)
    api.answers["CreateRoom"] = Room(name="room")
    api.answers["ListParticipants"] = ListParticipantsResponse(
        participants=[ParticipantInfo(identity="callee")]
    )
    await control.create_room("room", metadata="m", empty_secs=5, departure_secs=6)
    made = CreateRoomRequest.FromString(api.bodies["CreateRoom"])
    assert (made.name, made.metadata, made.empty_timeout, made.departure_timeout) == (
        "room",
        "m",
        5,
        6,
    )
    assert [p.identity for p in await control.participants("room")] == ["callee"]
    assert await control.delete_room("room"), "gone already is gone"
    failures = iter([twirp_error("unavailable", "no response from servers", 503)])

    async def second_time(_):
        return next(failures, DeleteRoomResponse())

    api.answers["DeleteRoom"] = second_time
    assert await control.delete_room("room")
    await control.remove("room", "nobody")


async def test_request_that_livekit_refuses_says_why(api, control):
    api.answers["CreateRoom"] = twirp_error("unauthenticated", "permissions denied", 401)
    with pytest.raises(LineError, match="permissions denied") as caught:
        await control.create_room("room")
    assert caught.value.code == "livekit_refused"


@pytest.mark.parametrize("agent", [True, False])
def test_token_joins_one_room_as_one_identity(agent):
    control = SipControl("ws://127.0.0.1:1", "key", "a-secret-that-is-long-enough-32b")
    body = control.token("room", "bot", name="Bot", ttl_secs=60, agent=agent).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert (claims["sub"], claims["name"], claims["video"]["room"]) == ("bot", "Bot", "room")
    assert claims["video"]["roomJoin"]
    assert claims.get("kind") == ("agent" if agent else None)
    assert claims["video"].get("agent", False) == agent
