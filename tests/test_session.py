"""One call through the session, on a fake room with real audio objects."""

import asyncio
import dataclasses
import json

import pytest
from livekit import rtc
from loguru import logger

from bots.bot import Bot
from bots.config import BotConfig, Limits
from bots.job import CallJob, DialOrder
from processors.echo import EchoProcessor
from records.wav import read_stereo
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import a_call

logger.remove()


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


def echo_bot(**keys) -> Bot:
    def processors(default, call):
        return [default[0], EchoProcessor(), *default[1:]]

    return Bot(BotConfig(name="echo", numbers=("+15550100",), **keys), processors=processors)


async def test_an_echo_call_from_ringing_to_hang_up(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.happened("bot_ready")
        assert "answered" not in phone.kinds
        await phone.answered()
        phone.hang_up()
        await phone.over()
    assert phone.ending == ("caller_hung_up", "caller:CLIENT_INITIATED")
    assert phone.kinds == ["call_started", "caller_joined", "bot_ready", "answered", "call_ended"]
    joined = phone.of("caller_joined")[0]
    assert (joined.caller, joined.dialled, joined.bot) == ("+15550123", "+15550100", "echo")
    assert phone.room.disconnects == 1


async def test_the_callers_audio_comes_back(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        line = rtc.AudioSource(16000, 1)
        phone.room.publish(phone.caller, line)
        heard = rtc.AudioStream(phone.room.local_participant.tracks[0], sample_rate=16000)

        async def talk():
            while True:
                await line.capture_frame(rtc.AudioFrame(b"\x00\x20" * 320, 16000, 1, 320))

        talking = asyncio.create_task(talk())
        try:
            async with asyncio.timeout(5):
                async for event in heard:
                    if any(event.frame.data):
                        break
        finally:
            talking.cancel()
            await heard.aclose()
            await line.aclose()
        phone.hang_up()
        await phone.over()


async def test_a_call_is_recorded_from_its_answer_to_its_end(tmp_path):
    path = tmp_path / "c1.wav"
    async with a_call(echo_bot(), tmp_path, recording_path=str(path)) as phone:
        await phone.answered()
        await until(path.exists)
        phone.hang_up()
        await phone.over()
    assert read_stereo(path)[2] == 16000


async def test_a_bot_may_keep_no_recording(tmp_path):
    path = tmp_path / "c1.wav"
    bot = echo_bot(recording={"keep": False})
    async with a_call(bot, tmp_path, recording_path=str(path)) as phone:
        await phone.answered()
        phone.hang_up()
        await phone.over()
    assert not path.exists()


async def test_a_number_nobody_claims_is_rejected_unanswered(tmp_path):
    async with a_call(echo_bot(), tmp_path, dialled="+15550142") as phone:
        await phone.over()
    assert phone.ending == ("rejected", "no bot has +15550142")
    assert not phone.room.local_participant.tracks and phone.room.disconnects == 1
    assert phone.of("caller_joined")[0].bot is None


async def test_the_dispatch_may_name_the_bot(tmp_path):
    async with a_call(echo_bot(), tmp_path, dialled="+15550142", bot="echo") as phone:
        await phone.answered()
        phone.hang_up()
        await phone.over()
    async with a_call(echo_bot(), tmp_path, bot="nobody") as phone:
        await phone.over()
    assert phone.ending == ("rejected", "no bot is named nobody")


async def test_a_caller_who_hangs_up_while_it_rings_ends_the_call(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.happened("caller_joined")
        phone.hang_up()
        await phone.over()
    assert phone.ending[0] == "caller_hung_up" and "answered" not in phone.kinds


async def test_a_room_that_cannot_be_joined_is_a_trunk_failure(tmp_path):
    FakeRoom.refuse = "no signal"
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.over()
    assert phone.ending == ("trunk_failure", "line:cannot_connect")


async def test_the_server_may_hang_up_at_any_time(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        phone.commands.put_nowait({"do": "dance"})
        phone.commands.put_nowait({"do": "hang_up", "politely": True})
        await phone.over()
    assert phone.ending == ("cancelled", "command:hang_up")
    assert phone.room.disconnects == 1


async def test_a_call_does_not_last_for_ever(tmp_path):
    bot = echo_bot()
    limits = Limits.model_construct(max_call_secs=0.1)
    bot = dataclasses.replace(bot, config=bot.config.model_copy(update={"limits": limits}))
    async with a_call(bot, tmp_path) as phone:
        await phone.answered()
        await phone.over()
    assert phone.ending == ("max_duration", "bot")


async def test_a_phone_is_hung_up_with_the_outcome_before_the_room_goes(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        phone.commands.put_nowait({"do": "hang_up", "politely": True})
        await phone.over()
    (request,) = phone.room.local_participant.rpcs
    assert request["method"] == "lk.sip.EndCall"
    assert request["destination_identity"] == phone.caller.identity
    headers = {"X-Switchboard-Outcome": "cancelled", "X-Switchboard-Call": "c1"}
    assert json.loads(request["payload"]) == {"headers": headers}


async def test_a_phone_that_is_gone_or_still_rings_is_not_hung_up(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        phone.hang_up()
        await phone.over()
    assert not phone.room.local_participant.rpcs
    async with a_call(echo_bot(), tmp_path, dialled="+15550142") as phone:
        await phone.over()
    assert phone.ending[0] == "rejected" and not phone.room.local_participant.rpcs


async def test_a_deleted_room_cancels_the_call(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        phone.room.emit("disconnected", rtc.DisconnectReason.ROOM_DELETED)
        await phone.over()
    assert phone.ending == ("cancelled", "room:ROOM_DELETED")


async def test_a_terminated_call_leaves_its_room_and_says_so(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        assert phone.running
        phone.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await phone.over()
    assert phone.ending == ("cancelled", "terminated") and phone.room.disconnects == 1


async def test_broken_processors_of_a_bot_are_one_error_and_one_end(tmp_path):
    def processors(default, call):
        raise RuntimeError("no")

    bot = dataclasses.replace(echo_bot(), processors=processors)
    async with a_call(bot, tmp_path) as phone:
        await phone.over()
    assert phone.ending == ("worker_lost", "RuntimeError")
    assert phone.of("error_raised")[0].message == "RuntimeError: no"
    assert phone.room.disconnects == 1


async def test_a_bots_python_hears_every_event_and_cannot_break_the_call(tmp_path):
    heard = []

    def on_event(event):
        heard.append(event.type)
        if event.type == "answered":
            raise RuntimeError("no")

    async with a_call(dataclasses.replace(echo_bot(), on_event=on_event), tmp_path) as phone:
        await phone.answered()
        phone.hang_up()
        await phone.over()
    assert heard == ["bot_ready", "answered"]
    assert phone.ending[0] == "caller_hung_up"


async def test_only_the_caller_counts(tmp_path):
    async with a_call(echo_bot(), tmp_path) as phone:
        await phone.answered()
        other = type(phone.caller)("desk", rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD)
        phone.room.join(other)
        phone.room.leave(other, rtc.DisconnectReason.CLIENT_INITIATED)
        await until(lambda: True)
        assert "call_ended" not in phone.kinds
        phone.hang_up()
        await phone.over()


def test_a_job_travels_as_json_and_hides_its_secrets():
    dial = DialOrder("+15550123", "ST_1", caller_id="+15550100")
    variables = {"name": "Ada"}
    job = CallJob(
        "c1", "room", "ws://x", "secret", "bot", api_secret="secret", dial=dial, variables=variables
    )
    assert CallJob.from_fields(json.loads(json.dumps(dataclasses.asdict(job)))) == job
    assert not any(word in repr(job) for word in ("secret", "+15550123", "Ada"))
