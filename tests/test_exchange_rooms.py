"""The exchange's rooms, as the unmodified LiveKit SDK and API client see them."""

import asyncio

import pytest
from livekit import api, rtc
from livekit.protocol import models

from local.exchange.exchange import Exchange
from local.exchange.network import only_loopback
from tests.fakes_exchange import KEY, SECRET, Client, free_config, loudness, token, until

pytestmark = pytest.mark.skipif(only_loopback(), reason="LiveKit's SDK cannot connect on lo alone")


@pytest.fixture
async def exchange():
    started = await Exchange.start(free_config())
    yield started
    await started.close()


@pytest.fixture
async def livekit(exchange):
    client = api.LiveKitAPI(exchange.http_url, KEY, SECRET)
    yield client
    await client.aclose()


async def test_two_clients_hear_each_other(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob", kind="agent"))
    publication = await alice.publish("mic")
    track, _, participant = await bob.wait_for("track_subscribed")
    assert (track.sid, participant.identity) == (publication.sid, "alice")
    await alice.wait_for("local_track_subscribed")

    speaking = asyncio.create_task(alice.say(440, 1.2))
    peaks = await loudness(track, 1.0)
    await speaking
    assert max(peaks) > 5000
    await bob.wait_for("active_speakers_changed")

    await alice.leave()
    (gone,) = await bob.wait_for("participant_disconnected")
    assert gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
    assert bob.names().index("track_unsubscribed") < bob.names().index("participant_disconnected")
    await bob.leave()


async def test_who_joins_late_hears_all_including_more_than_the_first_offer_has_room_for(exchange):
    speakers = [await Client.join(exchange.url, token(f"p{n}")) for n in range(5)]
    for speaker in speakers:
        await speaker.publish()
    late = await Client.join(exchange.url, token("late"))
    await late.wait_for("track_subscribed", 5)
    assert {args[2].identity for args in late.of("track_subscribed")} == {f"p{n}" for n in range(5)}
    # The slots of those who left are used again.
    for speaker in speakers[:2]:
        await speaker.leave()
    await late.wait_for("track_unsubscribed", 2)
    again = await Client.join(exchange.url, token("again"))
    await again.publish()
    await late.wait_for("track_subscribed", 6)
    for client in (*speakers[2:], late, again):
        await client.leave()


async def test_mute_unpublish_and_publish_again_reach_the_others(exchange, livekit):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    publication = await alice.publish()
    await bob.wait_for("track_subscribed")
    assert publication.track is not None
    publication.track.mute()
    await bob.wait_for("track_muted")
    publication.track.unmute()
    await bob.wait_for("track_unmuted")
    await livekit.room.mute_published_track(
        api.MuteRoomTrackRequest(
            room="room", identity="alice", track_sid=publication.sid, muted=True
        )
    )
    await bob.wait_for("track_muted", 2)
    await alice.room.local_participant.unpublish_track(publication.sid)
    await bob.wait_for("track_unpublished")
    await alice.publish("second")
    await bob.wait_for("track_subscribed", 2)
    await alice.leave()
    await bob.leave()


async def test_data_rpc_and_text_streams_pass_between_clients(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.room.local_participant.publish_data("to all", reliable=True, topic="t")
    (packet,) = await bob.wait_for("data_received")
    assert (packet.data, packet.topic, packet.participant.identity) == (b"to all", "t", "alice")
    await bob.room.local_participant.publish_data(
        b"x" * 15000, reliable=False, destination_identities=["alice"]
    )
    (packet,) = await alice.wait_for("data_received")
    assert len(packet.data) == 15000
    await bob.room.local_participant.publish_dtmf(code=11, digit="#")
    (dtmf,) = await alice.wait_for("sip_dtmf_received")
    assert (dtmf.code, dtmf.digit, dtmf.participant.identity) == (11, "#", "bob")

    async def echo(call: rtc.RpcInvocationData) -> str:
        return "re:" + call.payload

    bob.room.local_participant.register_rpc_method("echo", echo)
    ask = alice.room.local_participant.perform_rpc
    assert await ask(destination_identity="bob", method="echo", payload="hi") == "re:hi"
    with pytest.raises(rtc.RpcError) as unknown:
        await ask(destination_identity="bob", method="nope", payload="")
    assert unknown.value.code == 1400
    await alice.leave()
    await bob.leave()


async def test_attributes_reach_everybody_and_need_the_grant(exchange):
    alice = await Client.join(exchange.url, token("alice", can_update_own_metadata=True))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.room.local_participant.set_attributes({"a": "1"})
    changed, participant = await bob.wait_for("participant_attributes_changed")
    assert (changed, participant.identity) == ({"a": "1"}, "alice")
    await alice.wait_for("participant_attributes_changed")
    await bob.room.local_participant.set_attributes({"b": "2"})
    assert "b" not in exchange.rooms.get("room").participants["bob"].info.attributes
    await alice.leave()
    await bob.leave()


async def test_hidden_participant_is_unseen_but_hears(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    await alice.publish()
    ghost = await Client.join(exchange.url, token("ghost", hidden=True))
    await ghost.wait_for("track_subscribed")
    await ghost.room.local_participant.publish_data("boo")
    (packet,) = await alice.wait_for("data_received")
    assert packet.participant is None
    assert not alice.room.remote_participants
    await alice.leave()
    await ghost.leave()


async def test_permission_to_subscribe_takes_effect_at_once(exchange, livekit):
    alice = await Client.join(exchange.url, token("alice"))
    await alice.publish()
    deaf = await Client.join(exchange.url, token("deaf", can_subscribe=False))
    assert "track_subscribed" not in deaf.names()
    await livekit.room.update_participant(
        api.UpdateParticipantRequest(
            room="room",
            identity="deaf",
            permission=models.ParticipantPermission(can_subscribe=True, can_publish_data=True),
        )
    )
    await deaf.wait_for("track_subscribed")
    await deaf.wait_for("participant_permissions_changed")
    await alice.leave()
    await deaf.leave()


async def test_publisher_chooses_who_may_hear(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.publish()
    await bob.wait_for("track_subscribed")
    (track,) = exchange.rooms.get("room").tracks()
    choose = alice.room.local_participant.set_track_subscription_permissions
    choose(allow_all_participants=False, participant_permissions=[])
    await until(lambda: "bob" not in track.subscribers)
    bob_only = rtc.ParticipantTrackPermission(participant_identity="bob", allow_all=True)
    choose(allow_all_participants=False, participant_permissions=[bob_only])
    await until(lambda: "bob" in track.subscribers)
    await alice.leave()
    await bob.leave()


async def test_track_that_was_declined_stays_so_when_permissions_change(exchange):
    alice = await Client.join(exchange.url, token("alice", can_update_own_metadata=True))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.publish()
    _, publication, _ = await bob.wait_for("track_subscribed")
    publication.set_subscribed(False)
    (track,) = exchange.rooms.get("room").tracks()
    await until(lambda: "bob" not in track.subscribers)
    choose = alice.room.local_participant.set_track_subscription_permissions
    choose(allow_all_participants=False, participant_permissions=[])
    choose(allow_all_participants=True, participant_permissions=[])
    await alice.room.local_participant.set_metadata("behind both")
    await bob.wait_for("participant_metadata_changed")
    assert "bob" not in track.subscribers
    await alice.leave()
    await bob.leave()


async def test_client_without_auto_subscribe_hears_what_it_asks_for(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    await alice.publish()
    bob = await Client.join(exchange.url, token("bob"), auto_subscribe=False)
    (publication,) = bob.room.remote_participants["alice"].track_publications.values()
    assert publication.track is None
    publication.set_subscribed(True)
    await bob.wait_for("track_subscribed")
    publication.set_subscribed(False)
    await bob.wait_for("track_unsubscribed")
    await alice.leave()
    await bob.leave()


async def test_second_join_under_one_identity_sends_the_first_away(exchange):
    watcher = await Client.join(exchange.url, token("watcher"))
    first = await Client.join(exchange.url, token("bot", kind="agent"))
    second = await Client.join(exchange.url, token("bot", kind="agent"))
    (reason,) = await first.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
    await watcher.wait_for("participant_connected", 2)
    await second.leave()
    await watcher.leave()


async def test_removal_and_deletion_carry_their_reasons(exchange, livekit):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    await livekit.room.remove_participant(api.RoomParticipantIdentity(room="room", identity="bob"))
    (reason,) = await bob.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    (gone,) = await alice.wait_for("participant_disconnected")
    assert gone.disconnect_reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    await livekit.room.delete_room(api.DeleteRoomRequest(room="room"))
    (reason,) = await alice.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    assert exchange.rooms.get("room") is None


async def test_lost_websocket_is_resumed_without_a_gap(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.publish()
    await bob.wait_for("track_subscribed")
    participant = exchange.rooms.get("room").participants["alice"]
    participant.close_signal()
    await alice.wait_for("reconnected")
    assert exchange.rooms.get("room").participants["alice"] is participant
    assert not {"participant_disconnected", "track_unsubscribed"} & set(bob.names())
    await alice.room.local_participant.publish_data("still here")
    await bob.wait_for("data_received")
    await alice.leave()
    await bob.leave()


async def test_idle_room_closes_when_only_an_agent_is_left(exchange, livekit):
    await livekit.room.create_room(api.CreateRoomRequest(name="room", departure_timeout=1))
    agent = await Client.join(exchange.url, token("bot", kind="agent"))
    caller = await Client.join(exchange.url, token("caller"))
    await caller.leave()
    (reason,) = await agent.wait_for("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_CLOSED
    await until(lambda: exchange.rooms.get("room") is None)


async def test_bad_tokens_are_refused_in_livekits_words(exchange):
    def jwt(secret: str = SECRET, key: str = KEY, **grants) -> str:
        return (
            api.AccessToken(key, secret)
            .with_identity("x")
            .with_grants(api.VideoGrants(room="room", **grants))
            .to_jwt()
        )

    for text, bad in {
        "token signature is invalid: signature is invalid": jwt("w" * 40, room_join=True),
        "401 Unauthorized - invalid API key": jwt(key="nobody", room_join=True),
        "401 Unauthorized - permissions denied": jwt(),
        "401 Unauthorized - invalid authorization token": "rubbish",
    }.items():
        with pytest.raises(rtc.ConnectError, match=text):
            await rtc.Room().connect(exchange.url, bad)
    assert not list(exchange.rooms)
