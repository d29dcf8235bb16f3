"""Offer and answer of a call's audio."""

import pytest

from local.sip.errors import SipParseError
from local.sip.sdp import negotiate, parse_sdp, render_sdp

BARESIP = b"""v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
c=IN IP4 10.1.1.1
t=0 0
m=video 5000 RTP/AVP 96
a=rtpmap:96 VP8/90000
m=audio 4000 RTP/AVP 96 8 0 97 98
c=IN IP4 127.0.0.1
a=rtpmap:96 opus/48000/2
a=rtpmap:8 PCMA/8000
a=rtpmap:97 telephone-event/48000
a=rtpmap:98 telephone-event/8000
a=rtcp-mux
a=sendrecv
"""


def test_an_offer_is_read_with_its_own_address_and_event_number():
    sdp = parse_sdp(BARESIP)
    assert sdp.address == ("127.0.0.1", 4000)
    assert sdp.codecs == ((8, "PCMA"), (0, "PCMU"))
    assert (sdp.event_payload, sdp.direction, sdp.media_index) == (98, "sendrecv", 1)


def test_the_order_of_the_offer_decides_unless_the_own_does():
    offer = parse_sdp(BARESIP)
    assert negotiate(offer, ("PCMU", "PCMA")).codec == "PCMA"
    assert negotiate(offer, ("PCMU", "PCMA"), own_order=True).codec == "PCMU"


def test_no_common_codec_is_an_error():
    with pytest.raises(SipParseError, match="no common codec"):
        negotiate(parse_sdp(BARESIP.replace(b" 8 0 ", b" 9 ")), ("PCMU", "PCMA"))


@pytest.mark.parametrize(
    "offered, answered",
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_hold_is_answered_with_its_mirror(offered, answered):
    offer = parse_sdp(BARESIP.replace(b"a=sendrecv", b"a=" + offered.encode()))
    agreed = negotiate(offer, ("PCMU",))
    assert agreed.direction == answered
    assert agreed.sends == (offered in ("sendrecv", "recvonly"))


def test_the_old_hold_by_address_zero_is_a_hold():
    agreed = negotiate(
        parse_sdp(BARESIP.replace(b"IP4 127.0.0.1\na", b"IP4 0.0.0.0\na")), ("PCMU",)
    )
    assert agreed.direction == "recvonly"


def test_the_answer_has_one_codec_the_offered_event_number_and_refuses_video():
    offer = parse_sdp(BARESIP)
    body = render_sdp(("127.0.0.1", 6000), [(0, "PCMU")], 98, answer_to=offer).decode()
    assert "m=video 0 RTP/AVP 96\r\nm=audio 6000 RTP/AVP 0 98\r\n" in body
    assert "a=rtpmap:98 telephone-event/8000" in body and "a=rtcp-mux" in body
    assert parse_sdp(body.replace("m=video 0 RTP/AVP 96\r\n", "").encode()).codecs == ((0, "PCMU"),)


def test_an_offer_without_events_gets_none():
    offer = parse_sdp(BARESIP.replace(b" 97 98", b""))
    agreed = negotiate(offer, ("PCMU",))
    assert agreed.event_payload is None
    assert b"telephone-event" not in render_sdp(("127.0.0.1", 6000), [(0, "PCMU")], None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\n",
        BARESIP.replace(b"m=audio 4000", b"m=audio 0"),
        BARESIP.replace(b"m=audio 4000", b"m=audio 65536"),
        BARESIP.replace(b"IP4 127.0.0.1", b"IP4 999.0.0.1").replace(b"10.1.1.1", b"10.1.1.256"),
        BARESIP.replace(b"RTP/AVP 96 8", b"RTP/SAVP 96 8"),
        BARESIP.replace(b"IN IP4", b"IN IP6"),
    ],
)
def test_a_description_without_a_plain_audio_stream_is_refused(body):
    with pytest.raises(SipParseError):
        parse_sdp(body)
