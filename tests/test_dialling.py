"""A bot that calls somebody, on a fake room and a stand-in for LiveKit's API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.protocol.sip import CreateSIPParticipantRequest, SIPParticipantInfo
from loguru import logger

from bots.bot import Bot
from bots.config import BotConfig, Tts
from bots.job import DialOrder
from bots.retries import retry_secs
from records.call_record import CallRecord
from records.dial import Dial
from records.line_events import DialEnded, DialStarted
from records.redaction import redacted
from server.call_table import call_text
from tests.fakes_livekit_api import FakeLiveKitApi, RingingPhone, twirp_error
from tests.fakes_room import FakeParticipant, FakeRoom
from tests.fakes_session import FakePhone, FakeProviders, a_call

logger.remove()

TALKER = Bot(
    BotConfig(
        name="talker", stt="a/b", llm="a/b", tts=Tts(use="a/b"), greeting="Good day.", prompt="x.md"
    ),
    prompt="Be brief.",
)
ORDER = DialOrder("+15550123", "ST_1", caller_id="+15550100", ring_secs=20, attempt=2)


class CalledPhone:
    """The phone that the bot calls: LiveKit's answer and the participant in the room."""

    def __init__(self, api: FakeLiveKitApi, call: FakePhone):
        self.call = call
        self.leg = RingingPhone(api)
        self.participant = FakeParticipant("callee", **{"sip.callStatus": "dialing"})

    async def rings(self) -> None:
        async with asyncio.timeout(5):
            await self.leg.asked.wait()
        self.call.room.join(self.participant)
        self.call.room.change(self.participant, **{"sip.callStatus": "ringing"})
        await self.call.happened("phone_rang")

    def picks_up(self) -> None:
        self.leg.result.set_result(SIPParticipantInfo(sip_call_id="SCL_7"))
        self.call.room.change(self.participant, **{"sip.callStatus": "active"})

    def refuses(self, code: int, status: str, twirp: str = "resource_exhausted") -> None:
        self.leg.result.set_result(
            twirp_error(twirp, "INVITE failed", 429, sip_status_code=str(code), sip_status=status)
        )

    def leaves(self, reason: int) -> None:
        self.call.room.leave(self.participant, reason)


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


@pytest.fixture
async def api():
    async with FakeLiveKitApi().serve() as fake:
        yield fake


@asynccontextmanager
async def a_call_out(
    api: FakeLiveKitApi, tmp_path, order: DialOrder = ORDER, **job: Any
) -> AsyncIterator[tuple[FakePhone, CalledPhone]]:
    """The talker calls; the phone does what the test says."""
    access = {"api_key": "key", "api_secret": "a-secret-that-is-long-enough-32b"}
    about = {"bot": "talker", "direction": "outbound", "caller": "callee", "dial": order}
    job = {"providers": FakeProviders(), "url": api.url, **access, **about, **job}
    call_of = a_call(TALKER, tmp_path, **job)
    async with call_of as call:
        yield call, CalledPhone(api, call)


def record_of(call: FakePhone) -> CallRecord:
    return CallRecord.fold(call.events)


async def test_phone_rings_only_once_the_bot_is_ready_and_published(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        assert call.kinds[:6] == [
            "call_started",
            "call_placed",
            "caller_joined",
            "bot_ready",
            "dial_started",
            "phone_rang",
        ]
        assert call.room.local_participant.tracks
        asked = CreateSIPParticipantRequest.FromString(api.bodies["CreateSIPParticipant"])
        assert (asked.sip_call_to, asked.sip_number, asked.sip_trunk_id) == (
            "+15550123",
            "+15550100",
            "ST_1",
        )
        assert (asked.room_name, asked.participant_identity) == ("room", "callee")
        assert asked.ringing_timeout.seconds == 20
        assert asked.max_call_duration.seconds == 3660
        assert dict(asked.headers) == {"X-Switchboard-Call": "c1"}


async def test_bot_greets_when_the_phone_is_active_and_not_before(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        await asyncio.sleep(0.2)
        assert "bot_started_speaking" not in call.kinds
        phone.picks_up()
        await call.happened("answered")
        await call.happened("bot_started_speaking")
        phone.leaves(rtc.DisconnectReason.CLIENT_INITIATED)
        await call.over()
    assert call.ending == ("caller_hung_up", "caller:CLIENT_INITIATED")
    record = record_of(call)
    assert (record.direction, record.caller, record.dialled) == (
        "outbound",
        "+15550123",
        "+15550123",
    )
    assert (record.sip_call_id, record.trunk_id) == ("SCL_7", "ST_1")
    assert record.answered_at and record.dial
    assert (record.dial.outcome, record.dial.sip_code, record.dial.attempt) == ("answered", 200, 2)
    assert record.dial.rang_after_secs is not None and record.dial.retry_after_secs is None


async def test_what_a_ringing_phone_plays_is_silence_to_the_bot(api, tmp_path):
    async with a_call_out(api, tmp_path, recording_path=str(tmp_path / "c.wav")) as (call, phone):
        await phone.rings()
        source = rtc.AudioSource(16000, 1)
        call.room.publish(phone.participant, source)
        tone = (np.sin(np.arange(320) / 5) * 8000).astype(np.int16).tobytes()
        for _ in range(25):
            await source.capture_frame(rtc.AudioFrame(tone, 16000, 1, 320))
        assert "caller_started_speaking" not in call.kinds
        assert "recording_started" not in call.kinds
        phone.picks_up()
        await call.happened("recording_started")
        await source.aclose()


@pytest.mark.parametrize(
    "code, status, twirp, outcome, retry_after_secs",
    [
        (486, "Busy Here", "resource_exhausted", "busy", 300),
        (480, "Temporarily Unavailable", "resource_exhausted", "no_answer", 3600),
        (404, "Not Found", "not_found", "invalid_number", None),
        (403, "Forbidden", "permission_denied", "rejected", None),
        (603, "Decline", "permission_denied", "rejected", None),
        (503, "Service Unavailable", "failed_precondition", "trunk_failure", 120),
    ],
)
async def test_refused_call_ends_with_its_outcome_and_code(
    api, tmp_path, code, status, twirp, outcome, retry_after_secs
):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        phone.refuses(code, status, twirp)
        await call.over()
    assert call.ending == (outcome, f"sip:{code} {status}")
    record = record_of(call)
    assert record.dial and not record.answered_at
    assert (record.dial.sip_code, record.dial.sip_status) == (code, status)
    assert record.dial.retry_after_secs == retry_after_secs


async def test_phone_that_leaves_the_room_before_livekit_says_why_is_still_busy(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        phone.leaves(rtc.DisconnectReason.USER_REJECTED)
        await asyncio.sleep(0.05)
        phone.refuses(486, "Busy Here")
        await call.over()
    assert call.ending == ("busy", "sip:486 Busy Here")


async def test_phone_that_is_picked_up_and_put_down_at_once_was_hung_up(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        phone.leaves(rtc.DisconnectReason.CLIENT_INITIATED)
        await asyncio.sleep(0.05)
        phone.leg.result.set_result(SIPParticipantInfo(sip_call_id="SCL_7"))
        await call.over()
    assert call.ending == ("caller_hung_up", "caller:CLIENT_INITIATED")


async def test_phone_that_rings_to_the_limit_is_not_answered(api, tmp_path):
    order = DialOrder("+15550123", "ST_1", ring_secs=0.2)
    async with a_call_out(api, tmp_path, order) as (call, phone):
        await phone.rings()
        await asyncio.sleep(0.2)
        phone.leg.result.set_result(twirp_error("canceled", "sip request timed out", 408))
        await call.over()
    assert call.ending[0] == "no_answer"
    record = record_of(call)
    assert record.dial and record.dial.retry_after_secs == 900


async def test_trunk_that_never_lets_anything_ring_is_broken(api, tmp_path):
    order = DialOrder("+15550123", "ST_1", ring_secs=0.1)
    async with a_call_out(api, tmp_path, order) as (call, phone):
        async with asyncio.timeout(5):
            await phone.leg.asked.wait()
        await asyncio.sleep(0.1)
        phone.leg.result.set_result(twirp_error("canceled", "sip request timed out", 408))
        await call.over()
    assert call.ending[0] == "trunk_failure" and "nothing rang" in call.ending[1]


@pytest.mark.parametrize("politely", [True, False])
async def test_call_that_is_hung_up_while_it_rings_stops_ringing_at_once(api, tmp_path, politely):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        phone.leg.present.set()
        call.commands.put_nowait({"do": "hang_up", "politely": politely})
        await call.over(3.0)
    assert phone.leg.removed.is_set()
    assert call.ending == ("cancelled", "command:hang_up")
    record = record_of(call)
    assert record.dial and record.dial.outcome == "cancelled"
    assert not record.turns, "nobody was there to say goodbye to"


async def test_process_that_is_told_to_stop_leaves_no_phone_ringing(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        assert call.running
        call.running.cancel()
        await asyncio.wait({call.running}, timeout=5)
        assert phone.leg.removed.is_set()


async def test_room_that_is_closed_while_it_rings_ends_the_call(api, tmp_path):
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        call.room.emit("disconnected", rtc.DisconnectReason.ROOM_DELETED)
        await call.over()
    assert call.ending == ("cancelled", "room:ROOM_DELETED")


async def test_bot_that_cannot_be_made_ready_rings_nobody(api, tmp_path):
    providers = FakeProviders()
    providers.the_stt.setup_fails = True
    async with a_call_out(api, tmp_path, providers=providers) as (call, _):
        await call.over(12.0)
    assert call.ending[0] == "provider_failure" and api.asked == []


async def test_answered_phone_that_never_becomes_active_is_given_up(api, tmp_path, monkeypatch):
    monkeypatch.setattr("bots.session.ACTIVE_SECS", 0.1)
    async with a_call_out(api, tmp_path) as (call, phone):
        await phone.rings()
        phone.leg.result.set_result(SIPParticipantInfo(sip_call_id="SCL_7"))
        await call.over()
    assert call.ending == ("trunk_failure", "the answered call never became active")


@pytest.mark.parametrize(
    "outcome, waits",
    [("busy", [60, 300, 900, None]), ("voicemail", [3600, 14400, None]), ("rejected", [None])],
)
def test_calling_again_is_worth_while_later_and_later_and_then_no_more(outcome, waits):
    assert [retry_secs(outcome, attempt + 1) for attempt in range(len(waits))] == waits


def test_number_that_was_called_is_private():
    moment = {"call_id": "c", "seq": 1, "at": datetime.now(UTC), "t": 0.0}
    started = DialStarted(**moment, number="+15550123456", caller_id="+15550100100", ring_secs=30)
    hidden = redacted(started)
    assert "0123456" not in hidden.number and "0100100" not in hidden.caller_id
    ended = DialEnded(**moment, outcome="busy", secs=1.0)
    assert redacted(ended) == ended


def test_record_of_a_call_out_is_told_to_people():
    dial = Dial(
        attempt=2, outcome="busy", sip_code=486, sip_status="Busy", rang_after_secs=1.2, secs=3.0
    )
    record = CallRecord(
        call_id="c1",
        direction="outbound",
        bot="reminder",
        dialled="+15550190",
        started_at=datetime.now(UTC),
        dial=dial.model_copy(update={"retry_after_secs": 300}),
        results={"answer": "confirmed"},
    )
    told = list(call_text(record))
    assert "who        reminder called +15550190" in told
    line = "dialled    busy, 486 Busy, rang after 1.2 s, attempt 2, worth another in 300 s"
    assert line in told and "result     answer: confirmed" in told
