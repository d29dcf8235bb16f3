"""What a caller's leg does, each against a fake room with real audio objects."""

import asyncio
import time

import numpy as np
import pytest
from livekit import rtc
from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFUrgentFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    UserAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from tests.fakes_room import FakeParticipant, FakeRoom, fake_publish_key, running_call, until
from transports import caller_presence, livekit_sip_client
from transports.caller_audio import CallerAudio
from transports.frames import LiveAudioRawFrame
from transports.line_error import LineError
from transports.livekit_sip import LiveKitSIPTransport

STANDARD = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
ATTRIBUTES = {
    "sip.phoneNumber": "+15550123",
    "sip.trunkPhoneNumber": "+15550100",
    "sip.callID": "SCL_1",
    "sip.trunkID": "ST_1",
    "sip.callStatus": "ringing",
}

logger.remove()


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    """The class that stands in for ``rtc.Room``."""
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    monkeypatch.setattr(livekit_sip_client, "publish_key", fake_publish_key)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None
    return FakeRoom


class _Frames(FrameProcessor):
    def __init__(self):
        super().__init__()
        self.audio: list[UserAudioRawFrame] = []
        self.keys = ""
        self.speech: list[str] = []

    async def process_frame(self, frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, UserAudioRawFrame):
            self.audio.append(frame)
        if isinstance(frame, InputDTMFFrame):
            self.keys += frame.button.value
        if isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame):
            self.speech.append(type(frame).__name__)
        await self.push_frame(frame, direction)


async def test_joining_tells_who_calls_whom_and_answers_nothing(fake_room):
    fake_room.present = [FakeParticipant("desk", STANDARD), FakeParticipant("sip_1", **ATTRIBUTES)]
    transport = LiveKitSIPTransport("ws://unused", "", "room")
    info = await transport.join()
    assert (info.identity, info.number, info.dialled) == ("sip_1", "+15550123", "+15550100")
    assert (info.call_id, info.trunk_id, info.status) == ("SCL_1", "ST_1", "ringing")
    assert not fake_room.instances[0].local_participant.tracks
    await transport.leave()
    await transport.leave()
    assert fake_room.instances[0].disconnects == 1


async def test_a_caller_who_comes_after_the_bot_is_waited_for(fake_room):
    transport = LiveKitSIPTransport("ws://unused", "", "room", caller="web_1")
    joining = asyncio.create_task(transport.join())
    await until(lambda: fake_room.instances and fake_room.instances[0].connects)
    room = fake_room.instances[0]
    room.join(FakeParticipant("sip_other"))
    await asyncio.sleep(0.01)
    assert not joining.done()
    room.join(FakeParticipant("web_1", STANDARD))
    assert (await joining).identity == "web_1"
    await transport.leave()


async def test_a_room_without_a_caller_is_left_with_a_reason(fake_room):
    transport = LiveKitSIPTransport("ws://unused", "", "room", caller_secs=0.05)
    with pytest.raises(LineError, match="No caller in room room within 0.05 s") as error:
        await transport.join()
    assert error.value.code == "no_caller"
    await transport.leave()
    assert fake_room.instances[0].disconnects == 1


async def test_a_caller_who_hangs_up_while_the_bot_joins_is_no_call(fake_room):
    caller = FakeParticipant("sip_caller")
    fake_room.present = [caller]

    async def connect(self, *_, **__):
        self.join(caller)
        self.leave(caller, rtc.DisconnectReason.CLIENT_INITIATED)

    fake_room.connect, original = connect, fake_room.connect
    try:
        with pytest.raises(LineError) as error:
            await LiveKitSIPTransport("ws://unused", "", "room").join()
    finally:
        fake_room.connect = original
    assert error.value.code == "caller_left"


async def test_a_refused_token_is_a_line_error_that_says_where(fake_room):
    fake_room.refuse = "401 Unauthorized"
    with pytest.raises(LineError, match="Cannot join room room at ws://unused: 401") as error:
        await LiveKitSIPTransport("ws://unused", "", "room").join()
    assert error.value.code == "cannot_connect" and error.value.retryable


async def test_while_it_rings_a_mixer_keeps_time_and_live_voices_are_not_kept_for_later(fake_room):
    chunk = {"audio": bytes(960), "sample_rate": 24000, "num_channels": 1}
    async with running_call(publish=False) as (transport, _, _):
        began = time.monotonic()
        async with asyncio.timeout(0.5):
            for _ in range(100):
                await transport.output().write_audio_frame(LiveAudioRawFrame(**chunk))
        live_secs = time.monotonic() - began
        await transport.output().write_audio_frame(OutputAudioRawFrame(**chunk))
        assert time.monotonic() - began - live_secs >= 0.019


async def test_a_pipeline_neither_joins_again_nor_publishes(fake_room):
    async with running_call(publish=False) as (transport, _, _):
        (room,) = fake_room.instances
        assert room.connects == 1 and not room.local_participant.tracks
        assert transport.source is None
        await asyncio.gather(transport.publish(), transport.publish())
        assert len(room.local_participant.tracks) == 1 and transport.source
    assert room.disconnects == 1


async def test_publishing_before_the_pipeline_is_refused():
    transport = LiveKitSIPTransport("ws://unused", "", "room")
    with pytest.raises(LineError) as error:
        await transport.publish()
    assert error.value.code == "not_joined"


async def test_a_call_status_reaches_the_handler_once_and_for_the_caller_only(fake_room):
    statuses = []
    async with running_call() as (transport, _, _):
        transport.add_event_handler(
            "on_caller_changed", lambda _, info, changed: statuses.append((info.status, changed))
        )
        other = transport.room.join(FakeParticipant("sip_desk"))
        transport.room.change(other, **{"sip.callStatus": "active"})
        caller = transport.room.remote_participants["sip_caller"]
        transport.room.change(caller, **{"sip.callStatus": "active"})
        await until(lambda: statuses)
        assert statuses == [("active", {"sip.callStatus": "active"})]


@pytest.mark.parametrize("who", ["room", "caller"])
async def test_the_end_of_the_call_ends_the_worker_with_its_reason(who):
    reasons = []
    async with running_call() as (transport, worker, running):

        @transport.event_handler("on_call_ended")
        async def on_call_ended(_, reason: str):
            reasons.append(reason)
            await worker.cancel(reason=reason)

        room, caller = transport.room, transport.room.remote_participants["sip_caller"]
        if who == "caller":
            room.leave(caller, rtc.DisconnectReason.CLIENT_INITIATED)
        room.emit("disconnected", rtc.DisconnectReason.ROOM_DELETED)
        async with asyncio.timeout(2):
            await running
        assert reasons == [{"room": "room:ROOM_DELETED", "caller": "caller:CLIENT_INITIATED"}[who]]
        assert transport.source is None  # the native source is released


async def test_our_own_leaving_is_not_reported_as_the_callers():
    reasons = []
    async with running_call() as (transport, _, _):
        transport.add_event_handler("on_call_ended", lambda _, reason: reasons.append(reason))
        await transport.leave()
        transport.room.emit("disconnected", rtc.DisconnectReason.CLIENT_INITIATED)
        await asyncio.sleep(0.02)
    assert reasons == []


@pytest.mark.parametrize("back", [True, False])
async def test_a_reconnect_is_not_taken_for_a_hang_up(monkeypatch, back):
    monkeypatch.setattr(caller_presence, "GONE_GRACE_SECS", 0.02)
    reasons = []
    async with running_call() as (transport, _, _):
        transport.add_event_handler("on_call_ended", lambda _, reason: reasons.append(reason))
        room, caller = transport.room, transport.room.remote_participants["sip_caller"]
        room.leave(caller, None)
        room.emit("reconnecting")
        await asyncio.sleep(0.05)
        assert reasons == []
        if back:
            room.join(caller)
        room.emit("reconnected")
        await asyncio.sleep(0.05)
        assert reasons == ([] if back else ["caller:UNKNOWN_REASON"])


async def test_only_the_caller_is_heard_at_the_native_rate():
    frames = _Frames()
    async with running_call(frames) as (transport, _, _):
        room = transport.room
        human = room.join(FakeParticipant("sip_human"))
        sources = [rtc.AudioSource(48000, 1, queue_size_ms=100) for _ in range(2)]
        room.publish(room.remote_participants["sip_caller"], sources[0])
        room.publish(human, sources[1])
        for _ in range(15):
            for source in sources:
                await source.capture_frame(rtc.AudioFrame(bytes(1920), 48000, 1, 960))
        await until(lambda: len(frames.audio) >= 10)
        assert {f.user_id for f in frames.audio} == {"sip_caller"}
        assert {(f.sample_rate, len(f.audio)) for f in frames.audio} == {(16000, 640)}
    for source in sources:
        await source.aclose()


async def test_audio_that_waited_too_long_is_dropped_and_counted():
    source = rtc.AudioSource(16000, 1, queue_size_ms=1000)
    audio = CallerAudio(16000)
    track = rtc.LocalAudioTrack.create_audio_track("caller", source)
    await audio.open(track)
    frames = audio.frames()
    for _ in range(5):
        await source.capture_frame(rtc.AudioFrame(bytes(3200), 16000, 1, 1600))
    await anext(frames)
    for _ in range(10):  # one second of it, and nobody reads
        await source.capture_frame(rtc.AudioFrame(bytes(3200), 16000, 1, 1600))
    await source.wait_for_playout()
    await until(lambda: audio.dropped_secs > 0.2)
    assert audio.backlog_secs <= 0.5
    await audio.close()
    await audio.close()
    await source.aclose()


async def test_keys_of_the_caller_only_reach_the_pipeline():
    frames = _Frames()
    async with running_call(frames) as (transport, _, _):
        room = transport.room
        for who in ("sip_human", "sip_caller"):
            participant = room.remote_participants.get(who) or room.join(FakeParticipant(who))
            room.emit("sip_dtmf_received", rtc.SipDTMF(5, "5", participant))
        await until(lambda: frames.keys)
        await asyncio.sleep(0.02)
        assert frames.keys == "5"


async def test_every_digit_is_sent_and_paced():
    async with running_call() as (transport, worker, _):
        buttons = [KeypadEntry(c) for c in "42#"]
        await worker.queue_frame(OutputDTMFUrgentFrame(buttons=buttons))
        digits = transport.room.local_participant.digits
        await until(lambda: len(digits) == 3)
        assert [(key, to) for _, key, to in digits] == [(c, "sip_caller") for c in "42#"]
        assert all(b[0] - a[0] >= 0.5 for a, b in zip(digits, digits[1:], strict=False))


async def test_a_goodbye_is_played_to_its_end():
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.int16).tobytes()
    loud = []
    async with running_call() as (transport, worker, running):
        track = transport.room.local_participant.tracks[0]
        stream = rtc.AudioStream(track, sample_rate=8000, num_channels=1, frame_size_ms=10)

        async def listen() -> None:
            async for event in stream:
                loud.append(np.abs(np.frombuffer(event.frame.data, np.int16)).max() > 2000)

        listening = asyncio.create_task(listen())
        await worker.queue_frames([TTSAudioRawFrame(tone, 16000, 1), TTSStoppedFrame()])
        started = time.monotonic()
        await worker.queue_frame(EndFrame())
        async with asyncio.timeout(4):
            await running
        took = time.monotonic() - started
        listening.cancel()
        await stream.aclose()
    assert sum(loud) >= 99, f"{sum(loud) * 10} ms of 1000 ms heard"
    assert took < 1.6


@pytest.mark.parametrize("rounds", range(4))
async def test_an_interruption_silences_the_chunk_that_is_just_leaving_the_queue(rounds):
    frames, written = _Frames(), asyncio.Semaphore(0)
    chunk = TTSAudioRawFrame(bytes(640), 16000, 1)
    async with running_call(frames) as (transport, worker, _):
        output = transport.output()
        source = transport.source
        assert source
        capture = source.capture_frame

        async def captured(frame: rtc.AudioFrame) -> None:
            await capture(frame)
            written.release()

        source.capture_frame = captured
        await worker.queue_frames([chunk] * 20)
        async with asyncio.timeout(2):
            for _ in range(8):  # the line's own queue is full
                await written.acquire()
        for _ in range(rounds):
            await asyncio.sleep(0)
        await output.process_frame(InterruptionFrame(), FrameDirection.DOWNSTREAM)
        for _ in range(20):
            await asyncio.sleep(0)
        assert frames.speech == ["BotStartedSpeakingFrame", "BotStoppedSpeakingFrame"]
        await worker.queue_frames([chunk, TTSStoppedFrame()])  # what it says next
        await until(lambda: len(frames.speech) >= 4)
    assert frames.speech == ["BotStartedSpeakingFrame", "BotStoppedSpeakingFrame"] * 2
