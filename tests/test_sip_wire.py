"""What exactly goes over the wire, judged by a peer that says whatever a test wants."""

import asyncio

import pytest

from local.sip.behaviour import Behaviour, RtpOptions
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from local.sip.message import Request, Response
from local.sip.rtp_packet import parse_rtp
from local.sip.sdp import parse_sdp
from local.sip.timers import Timers
from tests.fakes_sip import RawPeer, sdp

FAST = Timers(t1=0.02, t2=0.16, t4=0.1)
BRIDGE = Behaviour(
    trying="Processing",
    trying_tag=True,
    ring_every_secs=0.05,
    new_tag=lambda: "SCL_abc",
    own_codec_order=True,
    no_codec=(400, ""),
    offerless=False,
    follow_hold=False,
    unsupported=frozenset({"INFO", "UPDATE"}),
    rtp=RtpOptions(first_sequence=0, first_timestamp=0),
    timers=FAST,
)


class Wire:
    """Our endpoint, a raw peer, and the calls that reached us."""

    def __init__(self, peer: RawPeer, endpoint: SipEndpoint):
        self.peer, self.endpoint = peer, endpoint
        self.calls: asyncio.Queue[SipCall] = asyncio.Queue()

    async def answered(self) -> tuple[SipCall, Response]:
        """The peer has called and got its ACK out."""
        self.peer.send(self.peer.make("INVITE", body=sdp()))
        call = await self.call()
        await call.answer()
        ok = await self.peer.final()
        self.peer.send(self.peer.make("ACK", tag=ok.to_tag))
        return call, ok

    async def call(self) -> SipCall:
        async with asyncio.timeout(2):
            return await self.calls.get()

    def dial(self, **kwargs) -> SipCall:
        uri = f"sip:+15550100@127.0.0.1:{self.peer.port}"
        return self.endpoint.invite(uri, from_user="+15557777", **kwargs)

    async def up(self, **kwargs) -> tuple[SipCall, Request]:
        """We have called and the peer has answered."""
        call = self.dial(**kwargs)
        invite = await self.peer.request("INVITE")
        self.peer.send(self.peer.answer(invite, 200, body=sdp()))
        await self.peer.request("ACK")
        await call.wait_answered()
        return call, invite

    def in_dialog(self, method: str, invite: Request, *, seq: int, **kwargs) -> bytes:
        """A request of the peer inside a call that we placed."""
        return self.peer.make(
            method,
            seq=seq,
            tag=invite.from_tag,
            from_tag=kwargs.pop("from_tag", "peer"),
            call_id=invite.call_id,
            **kwargs,
        )


@pytest.fixture
async def open_wire():
    opened: list[SipEndpoint] = []
    async with RawPeer() as peer:

        async def open_it(behaviour: Behaviour | None = None, **kwargs) -> Wire:
            async def take(call: SipCall) -> None:
                wire.calls.put_nowait(call)

            behaviour = behaviour or Behaviour(timers=FAST)
            endpoint = await SipEndpoint.open(on_invite=take, behaviour=behaviour, **kwargs)
            opened.append(endpoint)
            wire = Wire(peer, endpoint)
            peer.far_end = endpoint.address
            return wire

        yield open_it
        peer.polite = True
        for endpoint in opened:
            await endpoint.close()


@pytest.fixture
async def wire(open_wire):
    return await open_wire()


def statuses(messages) -> list[int | str]:
    return [m.status if isinstance(m, Response) else m.method for m in messages]


# As callee


async def test_a_bridge_answers_as_livekit_sip_does(open_wire):
    wire = await open_wire(BRIDGE, user_agent="")
    wire.peer.send(wire.peer.make("INVITE", body=sdp(payloads="8 0 101")))
    trying = await wire.peer.receive()
    assert (trying.status, trying.phrase, trying.to_tag) == (100, "Processing", "SCL_abc")
    call = await wire.call()
    call.ringing()
    rings = [await wire.peer.receive() for _ in range(3)]
    assert [(r.status, r.to_tag) for r in rings] == [(180, "SCL_abc")] * 3
    assert "Allow" in rings[0].headers and "User-Agent" not in rings[0].headers
    await call.answer({"X-Room": "blue"})
    ok = await wire.peer.final()
    wire.peer.send(wire.peer.make("ACK", tag=ok.to_tag))
    assert (ok.to_tag, ok.headers.get("X-Room")) == ("SCL_abc", "blue")
    assert parse_sdp(ok.body).codecs == ((0, "PCMU"),)
    hold = wire.peer.make("INVITE", seq=2, tag="SCL_abc", body=sdp(more="a=sendonly\r\n"))
    wire.peer.send(hold)
    again = await wire.peer.final()
    assert again.body == ok.body and b"a=sendrecv" in again.body
    wire.peer.send(wire.peer.make("ACK", seq=2, tag="SCL_abc"))
    for seq, method in ((3, "INFO"), (4, "UPDATE")):
        wire.peer.send(wire.peer.make(method, seq=seq, tag="SCL_abc"))
        refused = await wire.peer.final()
        assert refused.status == 405 and "INFO" not in refused.headers.get("Allow")
    await asyncio.gather(call.hangup(cause=0, headers={"X-Bye": "1"}), confirm_bye(wire.peer))


async def confirm_bye(peer: RawPeer) -> Request:
    """Confirm the BYE."""
    bye = await peer.request("BYE")
    peer.send(peer.answer(bye, 200))
    assert "Reason" not in bye.headers and bye.headers.get("X-Bye") == "1"
    assert bye.cseq == 2, "the number behind the caller's INVITE"
    return bye


async def test_a_refusal_with_a_phrase_of_its_own_is_repeated_until_the_ack(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp(), branch="z9hG4bKone"))
    (await wire.call()).reject(486, "Rejected", {"X-Why": "full"})
    first, second = await wire.peer.final(), await wire.peer.final()
    assert first.serialise() == second.serialise()
    assert (first.phrase, first.headers.get("X-Why")) == ("Rejected", "full")
    wire.peer.send(wire.peer.make("ACK", tag=first.to_tag, branch="z9hG4bKone"))
    await asyncio.sleep(0.05)
    wire.peer.heard()
    await asyncio.sleep(0.2)
    assert wire.peer.heard() == []


async def test_a_repeated_invite_is_one_call_and_gets_the_latest_response(wire):
    invite = wire.peer.make("INVITE", body=sdp())
    wire.peer.send(invite)
    call = await wire.call()
    call.ringing()
    wire.peer.send(invite)
    got = [await wire.peer.receive() for _ in range(3)]
    assert statuses(got) == [100, 180, 180] and wire.calls.empty()
    wire.peer.send(wire.peer.make("INVITE", body=sdp()))
    assert (await wire.peer.final()).status == 482


async def test_a_200_without_ack_is_repeated_and_then_taken_back(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp()))
    call = await wire.call()
    await call.answer()
    messages = []
    while not messages or statuses(messages)[-1] != "BYE":
        messages.append(await wire.peer.receive())
    assert statuses(messages).count(200) >= 5
    assert call.end and (call.end.by, call.end.phrase) == ("timeout", "no ACK")


async def test_a_bye_waits_for_the_ack(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp()))
    call = await wire.call()
    await call.answer()
    ok = await wire.peer.final()
    hanging_up = asyncio.create_task(call.hangup())
    await asyncio.sleep(0.05)
    assert "BYE" not in statuses(wire.peer.heard())
    wire.peer.send(wire.peer.make("ACK", tag=ok.to_tag))
    bye = await wire.peer.request("BYE")
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    wire.peer.send(wire.peer.answer(bye, 200))
    await hanging_up


async def test_an_invite_without_sdp_gets_the_offer_and_answers_in_the_ack(wire):
    wire.peer.send(wire.peer.make("INVITE"))
    call = await wire.call()
    await call.answer()
    ok = await wire.peer.final()
    assert [name for _, name in parse_sdp(ok.body).codecs] == ["PCMU", "PCMA"]
    wire.peer.send(wire.peer.make("ACK", tag=ok.to_tag, body=sdp(payloads="8")))
    await asyncio.sleep(0.02)
    assert call.media.negotiated and call.media.negotiated.codec == "PCMA"


@pytest.mark.parametrize(
    "behaviour, status", [(Behaviour(timers=FAST), 488), (BRIDGE, 400)], ids=["488", "400"]
)
async def test_no_common_codec_is_refused(open_wire, behaviour, status):
    wire = await open_wire(behaviour)
    wire.peer.send(wire.peer.make("INVITE", body=sdp(payloads="9 18")))
    call = await wire.call()
    with pytest.raises(SipCallError):
        await call.answer()
    assert (await wire.peer.final()).status == status
    assert call.end and call.end.status == status


async def test_requests_that_do_not_belong_are_refused(wire):
    call, ok = await wire.answered()
    peer, tag = wire.peer, ok.to_tag
    tries = {
        peer.make("BYE", seq=2, tag="wrong"): 481,
        peer.make("BYE", seq=2, tag=tag, from_tag="fork"): 481,
        peer.make("BYE", seq=1, tag=tag): 500,
        peer.make("MESSAGE", seq=2, tag=tag): 405,
        peer.make("NOTIFY", seq=3, tag=tag): 481,
        peer.make("REFER", seq=4, tag=tag): 400,
        peer.make("CANCEL", seq=1): 481,
        peer.make("SUBSCRIBE", call_id="other"): 405,
        peer.make("INVITE", call_id="o2", body=sdp(), more="Require: 100rel\r\n"): 420,
        peer.make("INVITE", seq=5, tag=tag, body=b"nonsense"): 488,
        peer.make("INVITE", seq=6, tag=tag, body=b"x", more="Content-Type: text/plain\r\n"): 488,
    }
    for data, status in tries.items():
        peer.send(data)
        assert (await peer.final()).status == status, data[:40]
    assert call.state == "answered"
    peer.send(peer.make("BYE", seq=7, tag=tag, more='Reason: Q.850;cause=31;text="x"\r\n'))
    assert (await peer.final()).status == 200
    assert call.end and (call.end.by, call.end.cause) == ("remote", 31)


async def test_info_brings_digits_and_update_a_new_address(wire):
    call, ok = await wire.answered()
    digits: list[str] = []
    call.media.on_digit = digits.append
    body, kind = b"Signal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay\r\n"
    wire.peer.send(wire.peer.make("INFO", seq=2, tag=ok.to_tag, body=body, more=kind))
    assert (await wire.peer.final()).status == 200 and digits == ["5"]
    wire.peer.send(wire.peer.make("UPDATE", seq=3, tag=ok.to_tag, body=sdp(port=40002)))
    updated = await wire.peer.final()
    assert updated.status == 200 and b"IN IP4" in updated.body
    assert call.media.remote == ("127.0.0.1", 40002)


async def test_a_caller_may_leave_by_bye_before_the_answer(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp()))
    call = await wire.call()
    call.ringing()
    ringing = [await wire.peer.receive() for _ in range(2)][-1]
    wire.peer.send(wire.peer.make("BYE", seq=2, tag=ringing.to_tag))
    got = {(await wire.peer.final()).status for _ in range(2)}
    assert got == {200, 487} and call.end and call.end.by == "remote"


async def test_closing_says_goodbye_even_to_a_caller_who_never_acknowledged(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp()))
    call = await wire.call()
    await call.answer()
    wire.peer.polite = True
    await wire.endpoint.close()
    assert "BYE" in statuses(wire.peer.heard())


async def test_an_invite_that_cannot_be_called_back_is_refused_at_once(wire):
    invite = wire.peer.make("INVITE", body=sdp())
    contact = f"<sip:raw@127.0.0.1:{wire.peer.port}>".encode()
    for number, bad in enumerate((b"<sip:raw@example.com>", b"<sip:raw@127.0.0.1:99999>", b"<x>")):
        changed = invite.replace(contact, bad).replace(
            b"branch=z9hG4bK", b"branch=z9hG4bK%d" % number
        )
        wire.peer.send(changed)
        assert (await wire.peer.final()).status == 400
    assert wire.calls.empty()


async def test_options_tells_whether_calls_are_taken(wire):
    wire.peer.send(wire.peer.make("OPTIONS"))
    up = await wire.peer.final()
    assert up.status == 200 and "INVITE" in up.headers.get("Allow") and up.to_tag
    wire.endpoint.options_status = 503
    wire.peer.send(wire.peer.make("OPTIONS", seq=2))
    assert (await wire.peer.final()).status == 503


async def test_garbage_and_strangers_get_no_answer(open_wire):
    wire = await open_wire(trusted=("10.0.0.0/8",))
    wire.peer.send(wire.peer.make("OPTIONS"))
    trusting = await open_wire()
    trusting.peer.send(b"garbage\r\n\r\n")
    trusting.peer.send(b"\r\n\r\n")
    trusting.peer.send(wire.peer.make("OPTIONS").replace(b"Call-ID", b"X-Call-ID"))
    trusting.peer.send(b"SIP/2.0 200 OK\r\n\r\n")
    await asyncio.sleep(0.05)
    assert wire.peer.heard() == []
    assert (wire.endpoint.dropped, trusting.endpoint.dropped) == (1, 4)


async def test_an_ignored_call_gets_nothing_more_not_even_for_its_cancel(wire):
    wire.peer.send(wire.peer.make("INVITE", body=sdp(), branch="z9hG4bKsame"))
    call = await wire.call()
    call.ringing()
    assert statuses([await wire.peer.receive() for _ in range(2)]) == [100, 180]
    call.ignore()
    wire.peer.send(wire.peer.make("CANCEL", branch="z9hG4bKsame"))
    await asyncio.sleep(0.05)
    assert wire.peer.heard() == []


async def test_audio_starts_at_zero_and_is_answered_where_it_comes_from(open_wire):
    wire = await open_wire(BRIDGE)
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()

    class Ear(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            queue.put_nowait(data)

    ear, _ = await loop.create_datagram_endpoint(Ear, ("127.0.0.1", 0))
    port = ear.get_extra_info("sockname")[1]
    call, _ = await wire.answered()
    ear.sendto(b"\x80\x00" + bytes(10) + b"\xff" * 160, call.media.address)
    await asyncio.sleep(0.02)
    assert call.media.remote == ("127.0.0.1", port), "the SDP named another port"
    await call.media.send_digits("2", tone_ms=20, gap_ms=20)
    ear.close()
    first = parse_rtp(await queue.get())
    assert (first.sequence, first.timestamp, first.payload_type) == (0, 0, 101)


# As caller


async def test_the_cancel_waits_for_a_provisional_response(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    hanging_up = asyncio.create_task(call.hangup())
    await asyncio.sleep(0.03)
    assert "CANCEL" not in statuses(wire.peer.heard())
    wire.peer.send(wire.peer.answer(invite, 100, tag=""))
    cancel = await wire.peer.request("CANCEL")
    assert cancel.via == invite.via and (cancel.cseq, cancel.to_tag) == (invite.cseq, "")
    wire.peer.send(wire.peer.answer(cancel, 200))
    wire.peer.send(wire.peer.answer(invite, 487))
    ack = await wire.peer.request("ACK")
    assert ack.via == invite.via
    await hanging_up
    assert call.end and call.end.status == 487


async def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    wire.peer.send(wire.peer.answer(invite, 180))
    await call.wait_ringing()
    hanging_up = asyncio.create_task(call.hangup())
    await wire.peer.request("CANCEL")
    wire.peer.send(wire.peer.answer(invite, 200, body=sdp()))
    ack = await wire.peer.request("ACK")
    assert ack.via != invite.via and ack.to_tag == "peer"
    bye = await wire.peer.request("BYE")
    wire.peer.send(wire.peer.answer(bye, 200))
    await hanging_up
    assert call.end and (call.end.by, call.end.status) == ("local", 487)
    assert call.answered_at is None


async def test_every_repeated_final_response_is_acknowledged_again(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    for _ in range(3):
        wire.peer.send(wire.peer.answer(invite, 486))
        ack = await wire.peer.request("ACK")
        assert ack.via == invite.via and ack.uri == invite.uri
    assert call.end and call.end.status == 486


async def test_the_ack_of_a_200_goes_by_the_route_and_again_for_each_repetition(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    route = f"<sip:127.0.0.1:{wire.peer.port};lr;x=2>, <sip:127.0.0.1:9;lr>"
    ok = wire.peer.answer(invite, 200, body=sdp(), more=f"Record-Route: {route}\r\n")
    wire.peer.send(ok.replace(b", <sip:127.0.0.1:9;lr>", b""))
    first = await wire.peer.request("ACK")
    wire.peer.send(ok.replace(b", <sip:127.0.0.1:9;lr>", b""))
    second = await wire.peer.request("ACK")
    assert first.serialise() == second.serialise()
    assert first.headers.all("Route") == [f"<sip:127.0.0.1:{wire.peer.port};lr;x=2>"]
    assert first.uri == f"sip:raw@127.0.0.1:{wire.peer.port}"
    assert (first.cseq, call.state) == (invite.cseq, "answered")


async def test_the_second_branch_that_answers_is_ended(wire):
    call, invite = await wire.up()
    wire.peer.send(wire.peer.answer(invite, 200, tag="fork", body=sdp()))
    ack, bye = await wire.peer.request("ACK"), await wire.peer.request("BYE")
    assert (ack.to_tag, bye.to_tag) == ("fork", "fork")
    wire.peer.send(wire.peer.answer(bye, 200))
    assert call.state == "answered"


async def test_credentials_go_with_the_second_invite_and_the_ack(wire):
    call = wire.dial(credentials=Credentials("ann", "pw"), headers={"X-Tenant": "acme"})
    first = await wire.peer.request("INVITE")
    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    wire.peer.send(wire.peer.answer(first, 407, more=challenge))
    assert (await wire.peer.request("ACK")).via == first.via
    second = await wire.peer.request("INVITE")
    assert (second.cseq, second.call_id) == (first.cseq + 1, first.call_id)
    assert second.from_tag == first.from_tag and second.headers.get("X-Tenant") == "acme"
    assert second.via != first.via and second.body == first.body
    wire.peer.send(wire.peer.answer(second, 200, body=sdp()))
    ack = await wire.peer.request("ACK")
    answer = second.headers.get("Proxy-Authorization")
    assert answer and ack.headers.get("Proxy-Authorization") == answer
    await call.wait_answered()
    hanging_up = asyncio.create_task(call.hangup())
    bye = await wire.peer.request("BYE")
    assert "nc=00000002" in bye.headers.get("Proxy-Authorization")
    wire.peer.send(wire.peer.answer(bye, 200))
    await hanging_up


async def test_a_challenge_inside_the_call_is_answered(wire):
    call = wire.dial(credentials=Credentials("ann", "pw"), display_name='An "n"')
    invite = await wire.peer.request("INVITE")
    wire.peer.send(wire.peer.answer(invite, 200, body=sdp()))
    await call.wait_answered()
    assert invite.headers.get("From").startswith('"An \\"n\\"" <sip:+15557777@')
    for nonce in ("n1", "n2"):
        holding = asyncio.create_task(call.hold(True))
        first = await wire.peer.request("INVITE")
        challenge = f'WWW-Authenticate: Digest realm="r", nonce="{nonce}", qop="auth"\r\n'
        wire.peer.send(wire.peer.answer(first, 401, more=challenge))
        second = await wire.peer.request("INVITE")
        assert f'nonce="{nonce}"' in second.headers.get("Authorization")
        wire.peer.send(wire.peer.answer(second, 200, body=sdp()))
        await holding


async def test_an_offer_during_our_own_is_glare(wire):
    call, invite = await wire.up()
    holding = asyncio.create_task(call.hold(True))
    ours = await wire.peer.request("INVITE")
    assert b"a=sendonly" in ours.body
    wire.peer.send(wire.in_dialog("INVITE", invite, seq=1, body=sdp()))
    assert (await wire.peer.final()).status == 491
    wire.peer.send(wire.peer.answer(ours, 200, body=sdp(more="a=recvonly\r\n")))
    await holding
    before, after = parse_sdp(invite.body), parse_sdp(ours.body)
    assert before.address == after.address
    assert b" 1 IN IP4" in invite.body and b" 2 IN IP4" in ours.body


async def test_a_refused_hold_leaves_the_line_as_it_was(wire):
    call, _ = await wire.up()
    holding = asyncio.create_task(call.hold(True))
    ours = await wire.peer.request("INVITE")
    wire.peer.send(wire.peer.answer(ours, 488))
    with pytest.raises(SipCallError, match="488"):
        await holding
    assert call.media.negotiated and call.media.negotiated.direction == "sendrecv"
    assert call.state == "answered"


async def test_a_far_end_that_has_forgotten_the_call_ends_it(wire):
    call, _ = await wire.up()
    holding = asyncio.create_task(call.hold(True))
    wire.peer.send(wire.peer.answer(await wire.peer.request("INVITE"), 481))
    with pytest.raises(SipCallError, match="481"):
        await holding
    assert call.end and call.end.by == "remote"


async def test_a_far_end_that_answers_nothing_any_more_ends_the_call(wire):
    call, _ = await wire.up()
    with pytest.raises(SipCallError, match="408"):
        await call.hold(True)
    assert call.end and call.end.by == "timeout"


async def test_an_answer_nobody_can_use_ends_the_call(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    wire.peer.send(wire.peer.answer(invite, 200, body=sdp(payloads="9")))
    await wire.peer.request("ACK")
    bye = await wire.peer.request("BYE")
    wire.peer.send(wire.peer.answer(bye, 200))
    with pytest.raises(SipCallError, match="488"):
        await call.wait_answered()


async def test_early_audio_is_heard_before_the_answer(wire):
    call = wire.dial()
    invite = await wire.peer.request("INVITE")
    wire.peer.send(wire.peer.answer(invite, 183, body=sdp(port=40004)))
    await call.wait_ringing()
    assert call.media.remote == ("127.0.0.1", 40004)
    await asyncio.gather(call.hangup(), answer_cancel(wire.peer, invite))


async def answer_cancel(peer: RawPeer, invite: Request) -> None:
    peer.send(peer.answer(await peer.request("CANCEL"), 200))
    peer.send(peer.answer(invite, 487))


async def test_the_second_refer_is_named_by_its_number(wire):
    call, invite = await wire.up()
    call.on_refer = lambda call, refer: wire.endpoint.invite(refer.uri, from_user="x")
    events = []
    for seq in (1, 2):
        refer = f"Refer-To: <sip:a@127.0.0.1:{wire.peer.port}>\r\n"
        wire.peer.send(wire.in_dialog("REFER", invite, seq=seq, more=refer))
        target = None
        while len(events) < seq * 2:
            message = await wire.peer.receive()
            if isinstance(message, Request) and message.method == "INVITE":
                target = message
                wire.peer.send(wire.peer.answer(target, 486))
            elif isinstance(message, Request) and message.method == "NOTIFY":
                wire.peer.send(wire.peer.answer(message, 200))
                state = message.headers.get("Subscription-State")
                events.append((message.headers.get("Event"), state, message.body, message.cseq))
    trying, busy = b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 486 X\r\n"
    active, over = "active;expires=60", "terminated;reason=noresource"
    assert [event[:3] for event in events] == [
        ("refer", active, trying),
        ("refer", over, busy),
        ("refer;id=2", active, trying),
        ("refer;id=2", over, busy),
    ]
    numbers = [event[3] for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_a_refer_that_is_accepted_and_never_reported_is_unknown(wire):
    call, _ = await wire.up()
    waiting = asyncio.create_task(call.refer("tel:+15551234", timeout_secs=0.1))
    refer = await wire.peer.request("REFER")
    assert refer.headers.get("Refer-To") == "tel:+15551234"
    wire.peer.send(wire.peer.answer(refer, 202))
    result = await waiting
    assert (result.outcome, result.status) == ("unknown", 0)
    assert call.state == "answered"
