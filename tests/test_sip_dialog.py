"""Dialogues: where requests go, and which requests belong."""

from local.sip.dialog import Dialog
from local.sip.headers import Headers
from local.sip.message import Request, build_response


def invite() -> Request:
    return Request(
        "INVITE",
        "sip:b@127.0.0.1:5060",
        headers=Headers(
            [
                ("Via", "SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKa"),
                ("Record-Route", "<sip:127.0.0.1:1111;lr>, <sip:127.0.0.1:2222;lr>"),
                ("From", "<sip:a@127.0.0.1>;tag=a"),
                ("To", "<sip:b@127.0.0.1>"),
                ("Call-ID", "c1"),
                ("CSeq", "3 INVITE"),
                ("Contact", "<sip:a@127.0.0.1:5062>"),
            ]
        ),
    )


def caller_side() -> Dialog:
    contact = {"Contact": "<sip:b@127.0.0.1:5099>"}
    return Dialog.of_caller(
        invite(), build_response(invite(), 200, "", to_tag="b", headers=contact)
    )


def test_the_caller_reverses_the_recorded_route_and_the_callee_does_not():
    caller, callee = caller_side(), Dialog.of_callee(invite(), "b")
    assert caller.routes == ("<sip:127.0.0.1:2222;lr>", "<sip:127.0.0.1:1111;lr>")
    assert callee.routes == ("<sip:127.0.0.1:1111;lr>", "<sip:127.0.0.1:2222;lr>")
    assert (caller.next_hop, caller.remote_target) == (("127.0.0.1", 2222), "sip:b@127.0.0.1:5099")
    assert (callee.next_hop, callee.remote_target) == (("127.0.0.1", 1111), "sip:a@127.0.0.1:5062")


def test_numbers_count_up_and_the_ack_keeps_that_of_its_invite():
    dialog = caller_side()
    assert [dialog.request("NOTIFY").cseq, dialog.request("BYE").cseq] == [4, 5]
    ack = dialog.request("ACK", seq=3)
    assert ack.headers.get("CSeq") == "3 ACK"
    assert (ack.from_tag, ack.to_tag, ack.uri) == ("a", "b", "sip:b@127.0.0.1:5099")
    assert ack.headers.all("Route") == list(dialog.routes)


def test_a_strict_router_finds_itself_in_the_request_uri():
    dialog = caller_side()
    dialog.routes = ("<sip:127.0.0.1:2222>", "<sip:127.0.0.1:1111;lr>")
    bye = dialog.request("BYE")
    assert bye.uri == "sip:127.0.0.1:2222"
    assert bye.headers.all("Route") == ["<sip:127.0.0.1:1111;lr>", "<sip:b@127.0.0.1:5099>"]


def test_a_request_of_another_dialogue_or_out_of_order_is_refused():
    here, there = Dialog.of_callee(invite(), "b"), caller_side()
    assert here.refusal(there.request("INFO")) is None
    late = there.request("INFO", seq=2)
    assert here.refusal(late) == (500, "CSeq Out Of Order")
    there.remote = there.remote.with_tag("other")
    stranger = here.refusal(there.request("BYE"))
    assert stranger and stranger[0] == 481


def test_a_new_contact_moves_the_target():
    dialog = caller_side()
    change = invite()
    change.headers.set("Contact", "<sip:new@127.0.0.1:7777>")
    dialog.refresh_target(change)
    assert dialog.request("BYE").uri == "sip:new@127.0.0.1:7777"
    change.headers.remove("Contact")
    dialog.refresh_target(change)
    assert dialog.remote_target == "sip:new@127.0.0.1:7777"
