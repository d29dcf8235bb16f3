"""Broken and hostile packets: nothing raises, nothing stays behind, the next caller is served."""

import asyncio
import random

import pytest

from local.sip.behaviour import Behaviour, RtpOptions
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipParseError
from local.sip.message import Response, parse_message
from local.sip.rtp_receiver import RtpReceiver
from local.sip.sdp import Negotiated, parse_sdp
from local.sip.timers import Timers
from tests.fakes_sip import RawPeer, sdp

PIECES = [bytes([c]) for c in b':;,<>" \0\xff=%'] + [b"\r\n", b"SIP/2.0", b"tag=", b"9" * 30]


def spoil(data: bytes, dice: random.Random) -> bytes:
    """The packet with a few bytes cut, doubled, swapped or put in."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 1, 2, 8, 60)))
        piece = dice.choice([b"", data[start:end] * 2, dice.choice(PIECES), dice.randbytes(2)])
        data = data[:start] + piece + data[end:]
    return data


async def test_a_thousand_spoilt_packets_leave_the_line_open():
    loop, dice, faults = asyncio.get_running_loop(), random.Random(8), []
    loop.set_exception_handler(lambda _, context: faults.append(context))

    async def take(call: SipCall) -> None:
        call.ringing()
        if dice.random() < 0.5:
            await call.answer()
        else:
            call.reject()

    behaviour = Behaviour(timers=Timers(t1=0.002, t2=0.01, t4=0.01))
    endpoint = await SipEndpoint.open(on_invite=take, behaviour=behaviour)
    async with RawPeer() as peer:
        peer.far_end = endpoint.address
        peer.only = b"Call-ID: good"
        for number in range(1000):
            method = dice.choice(("INVITE", "INVITE", "ACK", "BYE", "CANCEL", "REFER", "OPTIONS"))
            refer = "Refer-To: <sip:a@127.0.0.1:9?X-A=b%20c>\r\n"
            data = peer.make(method, body=sdp(), call_id=f"c{number}", seq=number, more=refer)
            peer.send(spoil(data, dice))
            if number % 20 == 19:
                peer.send(peer.make("OPTIONS", call_id="good", seq=number))
                assert (await peer.final()).status == 200
    await endpoint.close()
    assert faults == [] and endpoint.calls == []


async def test_spoilt_answers_end_no_more_than_their_call():
    loop, dice, faults = asyncio.get_running_loop(), random.Random(9), []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    endpoint = await SipEndpoint.open(behaviour=Behaviour(timers=Timers(t1=0.002, t2=0.01)))
    async with RawPeer() as peer:
        calls = []
        for _ in range(100):
            calls.append(endpoint.invite(f"sip:a@127.0.0.1:{peer.port}", from_user="b"))
            invite = await peer.request("INVITE")
            route = "Record-Route: <sip:127.0.0.1:9;lr>\r\n"
            for status in (180, 200):
                answer = peer.answer(invite, status, body=sdp(), more=route)
                peer.send(spoil(answer, dice))
        await asyncio.sleep(0.3)
        await endpoint.close()
    assert faults == [] and all(call.end for call in calls)


def test_spoilt_bytes_are_read_or_refused_and_nothing_else():
    dice = random.Random(10)
    peer = RawPeer()
    peer.port = 5070
    request = peer.make("INVITE", body=sdp(), more='Contact: "a, b" <sip:c@d>;q=1, <sip:e@f>\r\n')
    response = peer.answer(parse_message(request), 200, body=sdp())  # pyright: ignore
    read = 0
    for _ in range(3000):
        for data, parse in (
            (request, parse_message),
            (response, parse_message),
            (sdp(), parse_sdp),
        ):
            try:
                parse(spoil(data, dice))
                read += 1
            except SipParseError:
                continue
    assert read > 100


def test_spoilt_audio_is_dropped_or_played():
    dice = random.Random(11)
    receiver = RtpReceiver(RtpOptions())
    receiver.on_audio = lambda pcm, t: None
    receiver.on_digit = lambda digit: None
    peer = ("127.0.0.1", 4000)
    receiver.configure(Negotiated("PCMU", 0, 101, peer, "sendrecv"))
    for number in range(3000):
        kind = dice.choice((0, 101))
        head = bytes([0x80, kind]) + number.to_bytes(2) + (number * 160).to_bytes(4) + b"ssrc"
        receiver.receive(
            spoil(head + b"\x05\x0a\x00\xa0" * dice.choice((1, 40)), dice), peer, number / 50
        )
        receiver.tick(number / 50)
    assert receiver.stats.received > 500 and receiver.stats.foreign > 500


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 65000])
async def test_packets_of_any_size_are_survived(size):
    endpoint = await SipEndpoint.open()
    async with RawPeer() as peer:
        peer.far_end = endpoint.address
        peer.send(b"x" * size)
        peer.send(peer.make("OPTIONS"))
        answer = await peer.receive()
        assert isinstance(answer, Response) and answer.status == 200
    await endpoint.close()
