"""A caller's leg in a room of the exchange, through the unmodified LiveKit SDK."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit import api, rtc
from pipecat.frames.frames import OutputDTMFUrgentFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from local.exchange.exchange import Exchange
from local.exchange.network import only_loopback
from processors.echo import EchoProcessor
from tests.fakes_exchange import KEY, SECRET, Client, free_config, loudness, token
from transports.line_error import LineError
from transports.livekit_sip import LiveKitSIPTransport

pytestmark = pytest.mark.skipif(only_loopback(), reason="LiveKit's SDK cannot connect on lo alone")


@pytest.fixture
async def exchange():
    started = await Exchange.start(free_config())
    yield started
    await started.close()


@pytest.fixture
async def caller(exchange):
    client = await Client.join(exchange.url, token("sip_+15550123", kind="sip"))
    await client.publish("phone")
    yield client
    await client.leave()


class _Bot:
    def __init__(self, transport: LiveKitSIPTransport):
        self.transport = transport
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.worker = PipelineWorker(
            Pipeline([transport.input(), EchoProcessor(), transport.output()]),
            params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=16000),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )

        @transport.event_handler("on_call_ended")
        async def on_call_ended(_, reason: str):
            self.ended.set_result(reason)
            await self.worker.cancel(reason=reason)


@asynccontextmanager
async def answering(exchange, caller: str | None = None) -> AsyncIterator[_Bot]:
    """An echo bot that joined, started its pipeline and published."""
    transport = LiveKitSIPTransport(exchange.url, token("bot", kind="agent"), "room", caller=caller)
    await transport.join()
    bot = _Bot(transport)
    started = asyncio.Event()
    bot.worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(bot.worker)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(5):
        await started.wait()
    await transport.publish()
    try:
        yield bot
    finally:
        if not running.done():
            await bot.worker.cancel()
        async with asyncio.timeout(5):
            await running
        await transport.leave()


def _complaints(caplog) -> list[str]:
    """What the native library or a closed loop complained about."""
    messages = [r.getMessage() for r in caplog.records if r.name in {"livekit", "asyncio"}]
    # Both ends leave at once: a signal or an offer of the library may come too late.
    late = ("pass-through signal", "Called in wrong state: closed", "cannot create offer")
    return [m for m in messages if not any(text in m for text in late)]


async def _echo_of(caller: Client, track: rtc.Track) -> float:
    speaking = asyncio.create_task(caller.say(440, 1.2))
    peaks = await loudness(track, 1.2)
    await speaking
    return max(peaks)


async def test_a_caller_hears_the_echo_and_every_handle_is_released(exchange, caller, caplog):
    caplog.set_level(logging.WARNING)
    async with answering(exchange) as bot:
        track, _, participant = await caller.wait_for("track_subscribed")
        assert participant.identity == "bot"
        assert await _echo_of(caller, track) > 5000
        assert bot.transport.dropped_secs == 0
    (gone,) = await caller.wait_for("participant_disconnected")
    assert gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
    assert not _complaints(caplog)


async def test_a_deleted_room_ends_the_call_with_its_reason(exchange, caller):
    async with answering(exchange) as bot:
        livekit = api.LiveKitAPI(exchange.http_url, KEY, SECRET)
        await livekit.room.delete_room(api.DeleteRoomRequest(room="room"))
        async with asyncio.timeout(5):
            reason = await bot.ended
        await livekit.aclose()
        assert reason.endswith(":ROOM_DELETED")
    assert bot.transport.source is None


async def test_a_caller_who_hangs_up_ends_the_call(exchange, caller, caplog):
    caplog.set_level(logging.WARNING)
    async with answering(exchange) as bot:
        await caller.wait_for("track_subscribed")
        caller.log.clear()
        await caller.leave()
        async with asyncio.timeout(5):
            assert await bot.ended == "caller:CLIENT_INITIATED"
    gc.collect()
    assert not _complaints(caplog)


@pytest.mark.parametrize(
    "scenario",
    [
        rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT,
        rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT,
    ],
)
async def test_a_lost_connection_is_mended_without_ending_the_call(exchange, caller, scenario):
    async with answering(exchange) as bot:
        await caller.wait_for("track_subscribed")
        again = asyncio.Event()
        bot.transport.room.on("reconnected", again.set)
        await bot.transport.room.simulate_scenario(scenario)
        async with asyncio.timeout(10):
            await again.wait()
        await asyncio.sleep(0.5)
        track = caller.of("track_subscribed")[-1][0]
        assert await _echo_of(caller, track) > 5000
        assert not bot.ended.done()


async def test_a_key_pressed_in_the_room_reaches_the_bot(exchange, caller):
    pressed: asyncio.Future[dict] = asyncio.get_running_loop().create_future()
    async with answering(exchange) as bot:
        bot.transport.add_event_handler("on_dtmf_event", lambda _, data: pressed.set_result(data))
        await caller.room.local_participant.publish_dtmf(code=5, digit="5")
        async with asyncio.timeout(5):
            assert (await pressed)["digit"] == "5"


async def test_keys_of_the_bot_reach_the_caller_and_no_other_leg(exchange, caller):
    consulted = await Client.join(exchange.url, token("sip_desk", kind="sip"))
    async with answering(exchange, caller.room.local_participant.identity) as bot:
        await bot.worker.queue_frame(OutputDTMFUrgentFrame.from_string("4#"))
        await caller.wait_for("sip_dtmf_received", 2)
    await consulted.leave()
    heard = [(args[0].code, args[0].digit) for args in caller.of("sip_dtmf_received")]
    assert heard == [(4, "4"), (11, "#")]
    assert not consulted.of("sip_dtmf_received")


async def test_attributes_that_change_are_told(exchange, caller):
    changes: asyncio.Future = asyncio.get_running_loop().create_future()
    async with answering(exchange) as bot:
        bot.transport.add_event_handler(
            "on_caller_changed", lambda _, info, changed: changes.set_result((info, changed))
        )
        livekit = api.LiveKitAPI(exchange.http_url, KEY, SECRET)
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(
                room="room", identity="sip_+15550123", attributes={"sip.callStatus": "active"}
            )
        )
        await livekit.aclose()
        async with asyncio.timeout(5):
            info, changed = await changes
        assert info.status == "active" and changed == {"sip.callStatus": "active"}


async def test_a_wrong_token_is_told_as_a_line_error(exchange):
    bad = api.AccessToken(KEY, "another-secret-that-is-long-enough").with_identity("bot")
    jwt = bad.with_grants(api.VideoGrants(room_join=True, room="room")).to_jwt()
    with pytest.raises(LineError) as error:
        await LiveKitSIPTransport(exchange.url, jwt, "room").join()
    assert error.value.code == "cannot_connect" and jwt not in str(error.value)
