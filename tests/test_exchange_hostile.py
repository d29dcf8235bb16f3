"""Garbage at every door of the exchange; the calls of others go on."""

import asyncio
import base64
import gzip
import os
import socket
import struct
import sys

import aiohttp
import pytest
from livekit.protocol import models
from livekit.protocol import rtc as pb

from local.exchange.exchange import Exchange
from local.exchange.network import only_loopback
from tests.fakes_exchange import Client, free_config, token, until

pytestmark = pytest.mark.skipif(only_loopback(), reason="LiveKit's SDK cannot connect on lo alone")
IP = "127.0.0.1"


@pytest.fixture
async def exchange():
    started = await Exchange.start(free_config())
    yield started
    await started.close()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def join_request(body: bytes | None = None, compression: int = 0) -> str:
    if body is None:
        settings = pb.ConnectionSettings(auto_subscribe=True)
        body = pb.JoinRequest(connection_settings=settings).SerializeToString()
    wrapped = pb.WrappedJoinRequest(join_request=body, compression=compression)
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


async def open_signal(http, exchange, identity: str) -> aiohttp.ClientWebSocketResponse:
    socket = await http.ws_connect(
        f"{exchange.url}/rtc/v1?join_request={join_request()}",
        headers={"Authorization": f"Bearer {token(identity)}"},
    )
    first = pb.SignalResponse.FromString((await socket.receive()).data)
    assert first.WhichOneof("message") == "join"
    return socket


async def end_of(socket: aiohttp.ClientWebSocketResponse) -> tuple[int | None, list[str]]:
    """Close code, and the kinds of messages that came before."""
    kinds = []
    async with asyncio.timeout(5):
        async for message in socket:
            kinds.append(pb.SignalResponse.FromString(message.data).WhichOneof("message"))
    return socket.close_code, kinds


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ({}, 400, "join_request is required"),
        ({"join_request": "%%%"}, 400, "cannot unmarshal join request"),
        ({"join_request": join_request(b"\xff\xff")}, 400, "cannot unmarshal join request"),
        (
            {"join_request": join_request(gzip.compress(bytes(30_000_000))[:5500], 1)},
            400,
            "join request too large",
        ),
        ({"join_request": join_request(b"no gzip", 1)}, 400, "cannot unmarshal join request"),
        ({"join_request": join_request()}, 200, "success"),
    ],
)
async def test_join_request_is_judged_before_the_websocket(exchange, http, query, status, text):
    headers = {"Authorization": f"Bearer {token('x')}"}
    url = f"{exchange.http_url}/rtc/v1/validate"
    async with http.get(url, params=query, headers=headers) as answer:
        assert (answer.status, await answer.text()) == (status, text)


async def test_plain_get_and_old_protocol_are_not_found(exchange, http):
    headers = {"Authorization": f"Bearer {token('x')}"}
    for path in (f"/rtc/v1?join_request={join_request()}", "/rtc"):
        async with http.get(exchange.http_url + path, headers=headers) as answer:
            assert answer.status == 404


async def test_garbage_on_the_signal_socket_closes_that_socket_only(exchange, http):
    other = await open_signal(http, exchange, "other")
    for send in (
        lambda s: s.send_bytes(b"\xff" + os.urandom(200)),
        lambda s: s.send_str("hello"),
    ):
        bad = await open_signal(http, exchange, "bad")
        await send(bad)
        code, _ = await end_of(bad)
        assert code == 1000
    huge = await open_signal(http, exchange, "huge")
    await huge.send_bytes(bytes(600_000))
    assert (await end_of(huge))[0] == 1009
    ping = pb.SignalRequest(ping_req=pb.Ping(timestamp=1))
    await other.send_bytes(ping.SerializeToString())
    while True:
        message = pb.SignalResponse.FromString((await other.receive(timeout=5)).data)
        if message.WhichOneof("message") == "pong_resp":
            break
    await other.close()


async def test_nonsense_sdp_sends_the_client_away(exchange, http):
    client = await open_signal(http, exchange, "x")
    offer = pb.SessionDescription(type="offer", sdp="v=0\r\nm=audio\r\nnonsense")
    await client.send_bytes(pb.SignalRequest(offer=offer).SerializeToString())
    code, kinds = await end_of(client)
    assert (code, kinds[-1]) == (1000, "leave")
    assert "x" not in exchange.rooms.get("room").participants


async def test_flood_of_signal_requests_closes_the_socket(exchange, http):
    client = await open_signal(http, exchange, "x")
    ping = pb.SignalRequest(ping_req=pb.Ping(timestamp=1)).SerializeToString()
    for _ in range(2000):
        await client.send_bytes(ping)
    _, kinds = await end_of(client)
    assert kinds.count("pong_resp") < 1000


async def test_reader_that_never_reads_is_cut_off(exchange):
    reader, writer = await asyncio.open_connection(IP, int(exchange.url.rpartition(":")[2]))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /rtc/v1?join_request={join_request()} HTTP/1.1\r\nHost: x\r\n"
        f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nAuthorization: Bearer {token('slow')}\r\n\r\n".encode()
    )
    await reader.read(10)
    writer.transport.pause_reading()
    slow = await until(lambda: (r := exchange.rooms.get("room")) and r.participants.get("slow"))
    news = [models.ParticipantInfo(sid="PA_z", identity="z", metadata="m" * 20_000)]

    def pushed() -> bool:
        for _ in range(20):
            slow.on_participants(news)
        return slow.signal_lost_at is not None

    await until(pushed, 10)
    writer.transport.abort()


async def test_garbage_and_forged_datagrams_leave_media_alone(exchange):
    alice = await Client.join(exchange.url, token("alice"))
    bob = await Client.join(exchange.url, token("bob"))
    await alice.publish()
    await bob.wait_for("track_subscribed")
    transport = exchange.rooms.get("room").participants["bob"].transport
    remote, port = transport.remote, exchange.rooms.ice.port
    ufrag = transport._ufrag
    username = f"{ufrag}:xxxx".encode()
    attributes = struct.pack("!HH", 6, len(username)) + username + bytes(-len(username) % 4)
    attributes += struct.pack("!HH", 0x25, 0)
    forged = struct.pack("!HHI", 1, len(attributes) + 24, 0x2112A442) + os.urandom(12)
    forged += attributes + struct.pack("!HH", 8, 20) + bytes(20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for first in range(256):
            stranger.sendto(bytes([first]) + os.urandom(60), (IP, port))
        stranger.sendto(b"", (IP, port))
        stranger.sendto(forged, (IP, port))
        await until(lambda: exchange.rooms.ice.dropped >= 250)
    sent = transport.sent
    await until(lambda: transport.sent > sent + 20)
    assert transport.remote == remote
    await alice.leave()
    await bob.leave()


async def test_client_that_dies_is_noticed_by_its_silence(exchange):
    watcher = await Client.join(exchange.url, token("watcher"))
    code = (
        "import asyncio, sys\nfrom livekit import rtc\n"
        "async def main():\n"
        "    room = rtc.Room(); await room.connect(sys.argv[1], sys.argv[2])\n"
        "    track = rtc.LocalAudioTrack.create_audio_track('m', rtc.AudioSource(16000, 1, 100))\n"
        "    await room.local_participant.publish_track(track); print('up', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, exchange.url, token("victim")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    await watcher.wait_for("track_subscribed")
    process.kill()
    await process.wait()
    (gone,) = await watcher.wait_for("participant_disconnected", secs=6)
    assert gone.identity == "victim"
    await watcher.leave()


async def test_rejoining_many_times_leaves_nothing_behind(exchange):
    for _ in range(10):
        client = await Client.join(exchange.url, token("x"))
        await client.leave()
    room = exchange.rooms.get("room")
    await until(lambda: not room.participants)
    await until(lambda: not exchange.rooms.ice._by_ufrag and not exchange.rooms.ice._by_address)
