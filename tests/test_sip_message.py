"""SIP messages, addresses and URIs as they come off the wire."""

import pytest

from local.sip.errors import SipParseError
from local.sip.headers import Headers, split_list
from local.sip.message import Request, Response, Via, build_response, parse_message
from local.sip.uri import NameAddr, SipUri, user_of

INVITE = b"""INVITE sip:+15550100@127.0.0.1:5060;transport=udp SIP/2.0
v: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK0
Max-Forwards: 70
f: "Ann, Lee" <sip:+15557777@127.0.0.1>;tag=a1
t: <sip:+15550100@127.0.0.1>
i: abc@127.0.0.1
CSeq: 7 INVITE
m: <sip:ann@127.0.0.1:5070;transport=udp>
Record-Route: <sip:10.0.0.9;lr>,<sip:10.0.0.8;lr>
Subject: a long
   folded subject
c: application/sdp
l: 4

v=0
tail that does not belong""".replace(b"\n", b"\r\n")


def test_compact_names_folded_lines_and_comma_lists_are_read():
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.call_id, message.cseq) == ("INVITE", "abc@127.0.0.1", 7)
    assert (message.from_tag, message.to_tag) == ("a1", "")
    assert len(message.headers.all("Via")) == 2
    assert message.headers.all("record-route") == ["<sip:10.0.0.9;lr>", "<sip:10.0.0.8;lr>"]
    assert message.headers.get("subject") == "a long folded subject"
    assert message.body == b"v=0\r"


def test_a_message_survives_the_way_out_and_in():
    message = parse_message(INVITE)
    again = parse_message(message.serialise())
    assert list(again.headers)[:-1] == [h for h in message.headers if h[0] != "Content-Length"]
    assert again.body == message.body


def test_commas_in_quotes_and_brackets_separate_nothing():
    value = '"a, \\"b" <sip:x@y;p=1,2>;q=1, <sip:z@y>'
    assert split_list(value) == ['"a, \\"b" <sip:x@y;p=1,2>;q=1', "<sip:z@y>"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00\x01\x02garbage",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\nno colon here\r\n\r\n",
        INVITE.replace(b"l: 4", b"l: 4000"),
        INVITE.replace(b"l: 4", b"l: -1"),
        INVITE.replace(b"CSeq: 7 INVITE", b"CSeq: 7 BYE"),
        INVITE.replace(b"CSeq: 7 INVITE", b"CSeq: x INVITE"),
        INVITE.replace(b"CSeq: 7 INVITE", b"CSeq: 99999999999 INVITE"),
        INVITE.replace(b"i: abc@127.0.0.1\r\n", b""),
        INVITE.replace(b'f: "Ann', b'f: "Ann\xff'),
        INVITE.replace(b"SIP/2.0/UDP 10.0.0.1:5070", b"nonsense"),
        INVITE.replace(b"<sip:+15550100@127.0.0.1>", b"<sip:open"),
        b"SIP/2.0 20 Short\r\n\r\n",
    ],
)
def test_what_is_no_sip_message_is_refused(data):
    with pytest.raises(SipParseError):
        parse_message(data)


def test_bare_line_feeds_are_tolerated():
    assert parse_message(INVITE.replace(b"\r\n", b"\n")).cseq == 7


def test_a_header_cannot_break_the_message():
    with pytest.raises(ValueError):
        Headers({"X-Note": "a\r\nEvil: yes"})
    with pytest.raises(ValueError):
        Response(200, "OK\r\nEvil: yes").serialise()


def test_a_response_copies_the_way_back():
    request = parse_message(INVITE)
    assert isinstance(request, Request)
    response = build_response(request, 180, "Ringing", to_tag="b2")
    assert response.headers.all("Via") == request.headers.all("Via")
    assert response.headers.all("Record-Route") == request.headers.all("Record-Route")
    assert response.to_tag == "b2"
    assert response.headers.get("CSeq") == "7 INVITE"
    assert build_response(request, 486, "Busy Here").headers.all("Record-Route") == []


def test_the_reply_goes_to_where_the_packet_came_from_when_rport_asks():
    via = Via.parse("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport")
    assert via.received_from(("127.0.0.1", 4444)).reply_address == ("127.0.0.1", 4444)
    plain = Via.parse("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1")
    assert plain.received_from(("127.0.0.1", 4444)).reply_address == ("127.0.0.1", 5070)
    assert plain.received_from(("10.0.0.1", 5070)) == plain


def test_the_parts_of_a_uri():
    uri = SipUri.parse("sip:+1%35%35:pw@127.0.0.1:5061;lr;transport=udp?X-Call-ID=42&X-Note=a%20b")
    assert (uri.user, uri.address, uri.has_param("lr")) == ("+155", ("127.0.0.1", 5061), True)
    assert uri.headers == (("X-Call-ID", "42"), ("X-Note", "a b"))
    assert uri.bare() == "sip:+155@127.0.0.1:5061;lr;transport=udp"
    assert SipUri("a b@c", "127.0.0.1").bare() == "sip:a%20b%40c@127.0.0.1"
    assert SipUri.parse("tel:+15551234;phone-context=x").user == "+15551234"
    assert SipUri.parse("sip:localhost").address == ("127.0.0.1", 5060)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://a",
        "sip:",
        "sip:a@b:port",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a%0d%0ab@c",
        "+1555",
    ],
)
def test_what_is_no_uri_is_refused(text):
    with pytest.raises(SipParseError):
        SipUri.parse(text)


def test_a_host_name_is_not_resolved():
    with pytest.raises(SipParseError, match="IPv4"):
        _ = SipUri.parse("sip:a@example.com").address


def test_the_parts_of_an_address():
    address = NameAddr.parse('"Ann \\"X\\" <Lee>" <sip:a@b;p=1>;tag=t1;q=0.5')
    assert (address.display, address.uri, address.tag) == ('Ann "X" <Lee>', "sip:a@b;p=1", "t1")
    assert NameAddr.parse(str(address)) == address
    assert NameAddr.parse("sip:a@b;tag=t2").tag == "t2"
    assert NameAddr.parse("Bob <sip:a@b>").with_tag("t3").tag == "t3"
    assert user_of("<sip:+15550100@127.0.0.1>") == "+15550100"
