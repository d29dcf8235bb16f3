"""Telephone calls through the exchange, beyond what the contract pins."""

import asyncio

import numpy as np
import pytest
from livekit import api, rtc
from livekit.protocol import room as room_pb
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from local.exchange.exchange import Exchange
from local.exchange.network import only_loopback
from tests.fakes_calls import Callee
from tests.fakes_exchange import KEY, SECRET, Client, free_config, loudness, token, until
from tests.fakes_phone import Phone, tone
from tests.fakes_webhooks import WebhookReceiver
from tests.fakes_worker import FakeWorker, worker_token

pytestmark = pytest.mark.skipif(only_loopback(), reason="LiveKit's SDK cannot connect on lo alone")
LINE = {
    "trunks": [{"name": "t", "allowed_addresses": ["127.0.0.0/8"]}],
    "rules": [
        {"name": "r", "individual": "call-", "room": {"agents": [{"agent_name": "switchboard"}]}}
    ],
}


@pytest.fixture
async def started():
    """Starts exchanges and phones, and ends what it started."""
    opened = []

    async def start(kind, *args, **options):
        thing = await kind(*args, **options)
        opened.append(thing)
        return thing

    yield start
    for thing in reversed(opened):
        await thing.close()


async def exchange_of(**changes) -> Exchange:
    return await Exchange.start(free_config(**{**LINE, **changes}))


async def worker_of(exchange: Exchange, **options) -> FakeWorker:
    return await FakeWorker.register(
        exchange.url, worker_token(KEY, SECRET), "switchboard", **options
    )


async def test_call_without_a_bot_rings_then_gets_486(started):
    trunk = {**LINE["trunks"][0], "ringing_timeout_secs": 1.2}
    exchange = await started(exchange_of, trunks=[trunk])
    phone = await started(Phone.open)
    call = phone.dial("+15550100", exchange.sip_address)
    end = await call.wait_ended()
    assert (end.status, end.phrase) == (486, "Rejected")
    assert phone.responses().count((180, "Ringing")) >= 2


async def test_worker_that_comes_late_still_gets_the_call(started):
    exchange = await started(exchange_of)
    phone = await started(Phone.open)
    call = phone.dial("+15550100", exchange.sip_address)
    await call.wait_ringing()
    worker = await started(worker_of, exchange)
    bot = await Client.join(exchange.url, (await worker.accept("bot")).token)
    await bot.publish()
    await call.wait_answered()
    await bot.leave()


async def test_realistic_exchange_drops_the_job_and_takes_its_time(started):
    exchange = await started(exchange_of, realistic=True)
    phone = await started(Phone.open)
    lost = phone.dial("+15550100", exchange.sip_address)
    await lost.wait_ringing()
    room = await until(lambda: next(iter(exchange.rooms), None))
    await asyncio.sleep(0.3)
    worker = await started(worker_of, exchange)
    await lost.hangup()
    exchange.rooms.end(room, 5)

    loop = asyncio.get_running_loop()
    dialled_at = loop.time()
    call = phone.dial("+15550100", exchange.sip_address)
    assignment = await worker.accept("bot")
    assert loop.time() - dialled_at > 0.2
    assert assignment.job.room.sid != room.info.sid
    bot = await Client.join(exchange.url, assignment.token)
    await bot.publish()
    await call.wait_answered()
    said_at = loop.time()
    saying = asyncio.create_task(bot.say(440, 0.5))
    await phone.until(lambda: phone.peak() > 1000)
    assert loop.time() - said_at > 0.115
    await saying
    await bot.leave()


async def test_phone_that_rings_is_given_up_by_the_bot_over_rpc(started):
    exchange = await started(exchange_of)
    phone = await started(Callee.open)
    bot = await Client.join(exchange.url, token("bot", "room"))
    client = api.LiveKitAPI(exchange.http_url, KEY, SECRET)
    await client.sip.create_sip_participant(
        api.CreateSIPParticipantRequest(
            trunk=api.SIPOutboundConfig(hostname=phone.address),
            sip_number="+15550100",
            sip_call_to="ring",
            room_name="room",
            participant_identity="phone",
        )
    )
    call = await phone.calls.get()
    await bot.wait_for("participant_connected")
    await bot.room.local_participant.perform_rpc(
        destination_identity="phone", method="lk.sip.EndCall", payload=""
    )
    assert (await call.wait_ended()).status == 487
    (left,) = await bot.wait_for("participant_disconnected")
    assert rtc.DisconnectReason.Name(left.disconnect_reason) == "CLIENT_INITIATED"
    assert left.attributes["sip.callStatus"] == "hangup"
    await client.aclose()
    await bot.leave()


async def test_two_phones_in_one_room_hear_each_other_and_the_bot(started):
    rule = {"name": "conference", "direct": "conference"}
    exchange = await started(exchange_of, rules=[rule])
    one, two = await started(Phone.open), await started(Phone.open)
    first = one.dial("+15550100", exchange.sip_address, from_user="+15550001")
    second = two.dial("+15550100", exchange.sip_address, from_user="+15550002")
    await first.wait_answered()
    await second.wait_answered()
    one.say(tone(500, 3))
    await two.until(lambda: two.peak() > 5000)
    assert one.peak() < 500
    bot = await Client.join(exchange.url, token("bot", "conference"))
    await bot.publish()
    alone = two.peak(40)
    saying = asyncio.create_task(bot.say(700, 2))
    await two.until(lambda: two.peak(5) > alone * 1.3)
    await one.until(lambda: one.peak(5) > 4000)
    await first.media.send_digits("7")
    await two.until(lambda: two.digits == ["7"])
    await bot.wait_for("sip_dtmf_received")
    saying.cancel()
    await first.hangup()
    await bot.wait_for("participant_disconnected")
    assert second.state == "answered"
    await bot.leave()


async def test_phone_that_falls_silent_is_hung_up(started):
    exchange = await started(
        exchange_of, media_timeout_initial_secs=1.0, rules=[{"name": "r", "direct": "fixed"}]
    )
    phone = await started(Phone.open)
    bot = await Client.join(exchange.url, token("bot", "fixed", kind="agent"))
    await bot.publish()
    call = phone.dial("+15550100", exchange.sip_address, talk=False)
    await call.wait_answered()
    end = await asyncio.wait_for(call.wait_ended(), 5)
    assert end.by == "remote"
    (gone,) = await bot.wait_for("participant_disconnected")
    assert gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
    assert gone.attributes["sip.callStatus"] == "hangup"
    await bot.leave()


async def test_nothing_the_bot_says_is_lost_or_said_twice(started):
    exchange = await started(exchange_of, rules=[{"name": "r", "direct": "fixed"}])
    phone = await started(Phone.open)
    bot = await Client.join(exchange.url, token("bot", "fixed", kind="agent"))
    await bot.publish()
    call = phone.dial("+15550100", exchange.sip_address)
    await call.wait_answered()
    await bot.say(440, 1.0)
    await phone.until(lambda: len(phone.heard) > 60)
    stats = call.media.stats
    assert (stats.lost, stats.late) == (0, 0)
    voiced = np.concatenate(phone.heard)
    assert 0.8 < np.count_nonzero(np.abs(voiced.astype(int)) > 1000) / 8000 / 0.9 < 1.2
    await bot.leave()


async def test_caller_is_heard_by_who_joins_late(started):
    exchange = await started(exchange_of, rules=[{"name": "r", "direct": "fixed"}])
    phone = await started(Phone.open)
    bot = await Client.join(exchange.url, token("bot", "fixed", kind="agent"))
    await bot.publish()
    call = phone.dial("+15550100", exchange.sip_address)
    await call.wait_answered()
    phone.say(tone(500, 3))
    late = await Client.join(exchange.url, token("late", "fixed"))
    await late.wait_for("track_subscribed", 2)
    track = next(a[0] for a in late.of("track_subscribed") if a[2].identity == "sip_+15557777")
    assert max(await loudness(track, 1.0)) > 5000
    await late.leave()
    await bot.leave()


async def test_failed_webhook_is_posted_again_and_keeps_its_place(started):
    receiver = WebhookReceiver(KEY, SECRET)
    url = await receiver.start()
    receiver.failures_left = 1
    exchange = await started(exchange_of, webhooks=(url,))
    livekit = api.LiveKitAPI(exchange.http_url, KEY, SECRET)
    await livekit.room.create_room(api.CreateRoomRequest(name="x"))
    await livekit.room.delete_room(api.DeleteRoomRequest(room="x"))
    await receiver.wait_for("room_finished", "x")
    assert [body["event"] for body in receiver.bodies] == ["room_started", "room_finished"]
    await livekit.aclose()
    await receiver.close()


async def test_webhook_receiver_that_is_gone_does_not_hold_anybody_up(started):
    exchange = await started(exchange_of, webhooks=("http://127.0.0.1:9/",))
    client = await Client.join(exchange.url, token("x"))
    await client.leave()
    async with asyncio.timeout(3):
        await exchange.close()


async def test_room_configuration_of_a_token_dispatches_its_agent(started):
    exchange = await started(exchange_of)
    worker = await started(worker_of, exchange)
    config = room_pb.RoomConfiguration(
        agents=[RoomAgentDispatch(agent_name="switchboard", metadata="from-token")]
    )
    jwt = (
        api.AccessToken(KEY, SECRET)
        .with_identity("web")
        .with_grants(api.VideoGrants(room_join=True, room="web-room"))
        .with_room_config(config)
        .to_jwt()
    )
    client = await Client.join(exchange.url, jwt)
    job = (await worker.next("availability")).job
    assert (job.room.name, job.metadata) == ("web-room", "from-token")
    await client.leave()


async def test_worker_that_vanishes_while_asked_passes_the_job_on(started):
    exchange = await started(exchange_of)
    workers = [await started(worker_of, exchange), await started(worker_of, exchange)]
    phone = await started(Phone.open)
    phone.dial("+15550100", exchange.sip_address)
    asked = await until(lambda: next((w for w in workers if w.of("availability")), None))
    await asked.close()
    other = workers[1 - workers.index(asked)]
    await other.accept("bot")


async def test_worker_that_never_registers_is_cut_off(started):
    exchange = await started(exchange_of)
    exchange._workers.register_secs = 0.1
    worker = await started(FakeWorker.connect, exchange.url, worker_token(KEY, SECRET))
    assert await worker.closed() == 1006
