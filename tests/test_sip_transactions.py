"""Transaction state machines on a moved clock: what leaves when, and for how long."""

import pytest

from local.sip.headers import Headers
from local.sip.invite_transactions import InviteClient, InviteServer, OkRepeater, cancel_for
from local.sip.message import Request, Response, build_response
from local.sip.request_transactions import RequestClient, RequestServer
from local.sip.timers import Deliver, Expired, Send


def request(method: str = "INVITE") -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKa;rport"),
            ("Route", "<sip:127.0.0.1:5065;lr>"),
            ("From", "<sip:a@127.0.0.1>;tag=a"),
            ("To", "<sip:b@127.0.0.1>"),
            ("Call-ID", "c1"),
            ("CSeq", f"3 {method}"),
        ]
    )
    return Request(method, "sip:b@127.0.0.1", headers=headers)


def response(status: int, method: str = "INVITE") -> Response:
    return build_response(request(method), status, "x", to_tag="b")


def run(machine, until: float) -> list[tuple[float, object]]:
    """Everything the machine does by itself, with its times."""
    done = []
    while machine.due is not None and machine.due <= until:
        now = machine.due
        done += [(now, type(output)) for output in machine.tick(now)]
    return done


def test_an_invite_is_sent_again_doubling_until_it_is_given_up():
    machine = InviteClient(request())
    assert machine.start(0.0) == [Send(machine.request)]
    happened = run(machine, 100.0)
    assert [t for t, kind in happened if kind is Send] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert happened[-1] == (32.0, Expired)
    assert machine.state == "terminated"


def test_a_provisional_response_stops_repeating_and_giving_up():
    machine = InviteClient(request())
    machine.start(0.0)
    ringing = response(180)
    assert machine.receive(ringing, 0.1) == [Deliver(ringing)]
    assert machine.due is None
    machine.cancelled(10.0)
    assert run(machine, 100.0) == [(42.0, Expired)]


def test_every_final_failure_is_acknowledged_for_32_seconds():
    machine = InviteClient(request())
    machine.start(0.0)
    busy = response(486)
    acked, delivered = machine.receive(busy, 1.0)
    assert isinstance(acked, Send) and isinstance(acked.message, Request)
    ack = acked.message
    assert (ack.method, ack.uri, ack.via) == ("ACK", machine.request.uri, machine.request.via)
    assert ack.headers.all("Route") == machine.request.headers.all("Route")
    assert (ack.to_tag, ack.headers.get("CSeq")) == ("b", "3 ACK")
    assert delivered == Deliver(busy)
    assert machine.receive(busy, 20.0) == [Send(ack)]
    assert run(machine, 32.9) == [] and machine.state == "completed"
    run(machine, 33.0)
    assert machine.state == "terminated"


def test_each_200_is_delivered_so_that_its_ack_can_be_sent_again():
    machine = InviteClient(request())
    machine.start(0.0)
    ok = response(200)
    assert machine.receive(ok, 1.0) == [Deliver(ok)]
    assert machine.receive(ok, 2.0) == [Deliver(ok)]
    assert machine.receive(response(180), 3.0) == []
    assert run(machine, 33.0) == [] and machine.state == "terminated"


@pytest.mark.parametrize("provisional", [False, True])
def test_another_request_is_sent_again_up_to_every_four_seconds(provisional):
    machine = RequestClient(request("BYE"))
    machine.start(0.0)
    if provisional:
        machine.receive(response(100, "BYE"), 0.1)
    happened = run(machine, 100.0)
    sent = [t for t, kind in happened if kind is Send]
    slow = [round(4.1 + 4 * i, 1) for i in range(7)]
    fast = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [round(t, 1) for t in sent] == (slow if provisional else fast)
    assert happened[-1] == (32.0, Expired)


def test_a_repeated_final_response_is_delivered_once():
    machine = RequestClient(request("BYE"))
    machine.start(0.0)
    ok = response(200, "BYE")
    assert machine.receive(ok, 1.0) == [Deliver(ok)]
    assert machine.receive(ok, 2.0) == []
    assert run(machine, 6.0) == [] and machine.state == "terminated"


def test_a_refusal_is_repeated_until_it_is_acknowledged():
    machine = InviteServer(request())
    busy = response(486)
    assert machine.respond(busy, 0.0) == [Send(busy)]
    assert [t for t, _ in run(machine, 8.0)] == [0.5, 1.5, 3.5, 7.5]
    assert machine.receive(request(), 8.0) == [Send(busy)]
    assert machine.receive(request("ACK"), 8.1) == []
    assert machine.receive(request("ACK"), 8.2) == []
    assert machine.receive(request(), 8.3) == []
    assert run(machine, 20.0) == [] and machine.state == "terminated"


def test_a_refusal_nobody_acknowledges_is_given_up_after_32_seconds():
    machine = InviteServer(request())
    machine.respond(response(486), 0.0)
    happened = run(machine, 100.0)
    assert [t for t, kind in happened if kind is Send][-2:] == [27.5, 31.5]
    assert happened[-1] == (32.0, Expired)


def test_a_repeated_invite_gets_the_latest_response():
    machine = InviteServer(request())
    assert machine.receive(request(), 0.0) == []
    machine.respond(response(100), 0.0)
    ringing = response(180)
    machine.respond(ringing, 0.1)
    assert machine.receive(request(), 0.5) == [Send(ringing)]
    ok = response(200)
    machine.respond(ok, 1.0)
    assert machine.respond(response(486), 1.1) == []
    assert machine.receive(request(), 1.5) == [Send(ok)]


def test_a_200_is_repeated_until_the_ack_or_for_32_seconds():
    repeater = OkRepeater(response(200), 0.0)
    happened = run(repeater, 100.0)
    sent = [t for t, kind in happened if kind is Send]
    assert sent == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert happened[-1] == (32.0, Expired)
    acknowledged = OkRepeater(response(200), 0.0)
    acknowledged.acknowledged()
    assert acknowledged.due is None and acknowledged.tick(1.0) == []


def test_a_repeated_request_is_answered_from_memory():
    machine = RequestServer(request("BYE"))
    assert machine.receive(request("BYE"), 0.0) == []
    ok = response(200, "BYE")
    machine.respond(ok, 0.0)
    assert machine.receive(request("BYE"), 31.0) == [Send(ok)]
    run(machine, 32.0)
    assert machine.state == "terminated" and machine.receive(request("BYE"), 33.0) == []


def test_a_cancel_has_the_via_route_and_number_of_its_invite():
    invite = request()
    cancel = cancel_for(invite)
    assert cancel.headers.all("Via") == invite.headers.all("Via")
    assert cancel.headers.all("Route") == invite.headers.all("Route")
    assert (cancel.uri, cancel.to_tag, cancel.cseq) == (invite.uri, "", 3)
    assert cancel.cseq_method == "CANCEL"
