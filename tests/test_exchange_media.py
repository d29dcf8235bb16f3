"""The pure parts of the exchange: SDP, STUN, RTP, what a phone hears, who is chosen."""

import hashlib
import hmac
import struct
from typing import cast

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from livekit.protocol import models
from livekit.protocol import rtc as pb
from livekit.protocol import sip as sip_pb

from local.exchange import libopus, rtp, stun
from local.exchange.answer import LocalSide, Slot, build_answer
from local.exchange.join import Join
from local.exchange.limits import ConnectionLimit, TokenBucket
from local.exchange.masking import masked
from local.exchange.offer import AUDIO_LEVEL, parse_offer
from local.exchange.opus import FRAME, FrameDecoder, new_encoder
from local.exchange.room_audio import RoomAudio
from local.exchange.tokens import Claims
from local.exchange.trunks import Dialled, Telephony, identity, room_name

OFFER = """v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2 3
a=ice-ufrag:abcd
a=ice-pwd:password
a=fingerprint:sha-256 aa:bb
a=setup:actpass
m=audio 9 UDP/TLS/RTP/SAVPF 111 63
a=mid:0
a=recvonly
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:111 opus/48000/2
m=video 9 UDP/TLS/RTP/SAVPF 96
a=mid:1
a=recvonly
a=rtpmap:96 VP8/90000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=mid:2
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:3
a=sendonly
a=msid:- cid-1
a=ssrc:1234 cname:x
a=rtpmap:111 opus/48000/2
"""
LOCAL = LocalSide("uuuu", "pppp", "AA:BB", "127.0.0.1", 7882, 1, 2)


def test_offer_is_read_section_by_section():
    offer = parse_offer(OFFER)
    assert (offer.ufrag, offer.pwd, offer.fingerprint) == ("abcd", "password", "AA:BB")
    assert [s.mid for s in offer.sections] == ["0", "1", "2", "3"]
    assert [s.receives_audio for s in offer.sections] == [True, False, False, False]
    published = offer.sections[3]
    assert (published.sends, published.track_id, published.ssrcs) == (True, "cid-1", [1234])
    assert offer.extension(AUDIO_LEVEL) == 1


@pytest.mark.parametrize("text", ["", "v=0", "m=audio x\n", OFFER.replace("ice-pwd", "x")])
def test_offer_that_lacks_something_is_refused(text):
    with pytest.raises(ValueError):
        parse_offer(text)


def test_answer_takes_audio_and_data_and_leaves_video_idle():
    answer = build_answer(parse_offer(OFFER), LOCAL, {"0": Slot(77, "PA_a|TR_b", "TR_b")})
    sections = answer.split("m=")[1:]
    assert "a=group:BUNDLE 0 1 2 3" in answer and answer.count("a=candidate:") == 1
    assert "a=sendonly" in sections[0] and "a=msid:PA_a|TR_b TR_b" in sections[0]
    assert "a=ssrc:77 " in sections[0]
    assert sections[1].startswith("video 9 UDP/TLS/RTP/SAVPF 96\r\n")
    assert "a=rtpmap:96 VP8/90000" in sections[1] and "a=inactive" in sections[1]
    assert "a=sctp-port:5000" in sections[2]
    assert "a=recvonly" in sections[3] and "a=ssrc" not in sections[3]
    assert answer.endswith("\r\n") and "red" not in answer


def test_answer_refuses_video_without_a_codec():
    answer = build_answer(parse_offer(OFFER.replace("VP8/90000", "rtx/1")), LOCAL, {})
    assert "m=video 0 " in answer and "a=group:BUNDLE 0 2 3" in answer


def test_free_slot_is_inactive_but_keeps_its_extensions():
    section = build_answer(parse_offer(OFFER), LOCAL, {}).split("m=")[1]
    assert "a=inactive" in section and f"a=extmap:1 {AUDIO_LEVEL}" in section


def stun_request(password: str, ufrag: str = "ours:them") -> bytes:
    name = ufrag.encode() + bytes(-len(ufrag) % 4)
    attributes = struct.pack("!HH", stun.USERNAME, len(ufrag)) + name
    attributes += struct.pack("!HH", stun.USE_CANDIDATE, 0)
    head = struct.pack("!HHI", 1, len(attributes) + 24, stun.MAGIC) + bytes(12)
    mac = hmac.new(password.encode(), head + attributes, hashlib.sha1).digest()
    return head + attributes + struct.pack("!HH", stun.INTEGRITY, 20) + mac


def test_binding_request_is_verified_by_our_password():
    request = stun.parse_request(stun_request("secret"))
    assert request is not None
    assert request.username == "ours:them" and request.use_candidate
    assert request.verify("secret") and not request.verify("other")


@pytest.mark.parametrize("cut", [0, 10, 19, 25, 40, -1])
def test_cut_binding_request_is_nothing(cut):
    assert stun.parse_request(stun_request("secret")[:cut]) is None


def test_binding_response_names_the_address_it_saw():
    answer = stun.binding_response(bytes(12), ("192.0.2.1", 4660), "secret")
    port, ip = struct.unpack_from("!HI", answer, 26)
    assert port ^ (stun.MAGIC >> 16) == 4660
    assert struct.pack("!I", ip ^ stun.MAGIC) == bytes([192, 0, 2, 1])


def test_rtp_packet_survives_writing_and_reading():
    packet = rtp.parse(rtp.build(111, 65537, 1 << 33 | 5, 9, b"opus", True))
    assert packet is not None
    assert (packet.sequence, packet.timestamp, packet.ssrc) == (1, 5, 9)
    assert (packet.marker, packet.payload_type, packet.payload) == (True, 111, b"opus")


def test_rtp_extensions_carry_level_and_mid():
    block = bytes([0x10, 0x80 | 42, 0x40, ord("7"), 0, 0, 0, 0])
    head = struct.pack("!BBHII", 0x90, 111, 1, 2, 3) + struct.pack("!HH", 0xBEDE, 2)
    packet = rtp.parse(head + block + b"opus")
    assert packet is not None
    assert (packet.level, packet.mid, packet.payload) == (42, "7", b"opus")


@pytest.mark.parametrize("data", [b"", bytes(11), bytes(12), b"\x90" + bytes(11), b"\xbf" * 13])
def test_malformed_rtp_is_nothing(data):
    assert rtp.parse(data) is None


@pytest.fixture(params=["libopus", "PyAV"])
def opus_of(request, monkeypatch):
    if request.param == "PyAV":
        monkeypatch.setattr(libopus, "load", lambda: None)
    return request.param


def tone(hertz: float, amplitude: int, count: int) -> np.ndarray:
    time = np.arange(FRAME * count) / 8000
    wave = np.sin(2 * np.pi * hertz * time) * amplitude
    return wave.astype(np.int16).reshape(-1, FRAME)


def test_this_machine_has_a_libopus():
    assert libopus.load() is not None


def test_every_opus_packet_gives_one_frame_at_once(opus_of):
    encoder, decoder = new_encoder(), FrameDecoder()
    frames = [decoder.decode(encoder.encode(frame)) for frame in tone(380, 8000, 50)]
    assert [len(f) for f in frames[1:]] == [1] * 49
    assert len(frames[0]) == (opus_of == "libopus")
    assert all(len(f[0]) == FRAME for f in frames[1:])
    assert 6000 < np.abs(frames[-1][0].astype(int)).max() < 9000


def test_undecodable_opus_packets_give_nothing_and_harm_nothing(opus_of):
    encoder, decoder = new_encoder(), FrameDecoder()
    packets = [encoder.encode(frame) for frame in tone(380, 8000, 10)]
    for packet in packets[:5]:
        decoder.decode(packet)
    assert [decoder.decode(b""), decoder.decode(b"\xff" * 3)] == [[], []]
    assert [len(decoder.decode(packet)) for packet in packets[5:]] == [1] * 5


@pytest.mark.parametrize(("hertz", "kept"), [(300, True), (3000, True), (4600, False)])
def test_wideband_opus_keeps_the_telephone_band_and_folds_nothing_into_it(opus_of, hertz, kept):
    context = cast(AudioCodecContext, av.CodecContext.create("libopus", "w"))
    context.bit_rate, context.format, context.layout = 64_000, "s16", "mono"
    context.sample_rate = 48_000
    wave = np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000) * 10_000
    decoder, out = FrameDecoder(), []
    for part in wave.astype(np.int16).reshape(-1, 1, 960):
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate = 48_000
        for packet in context.encode(frame):
            out += decoder.decode(bytes(packet))
    peak = np.abs(np.concatenate(out[10:]).astype(int)).max()
    assert 9_000 < peak < 11_000 if kept else peak < 300


@pytest.mark.parametrize(("frame_ms", "frames_each"), [(10, 0.5), (20, 1), (60, 3)])
def test_other_packet_times_are_cut_into_frames_of_20_ms(frame_ms, frames_each):
    context = cast(AudioCodecContext, av.CodecContext.create("libopus", "w"))
    context.format, context.layout, context.sample_rate = "s16", "mono", 48_000
    context.options = {"frame_duration": str(frame_ms)}
    decoder, packets, out = FrameDecoder(), 0, []
    for _ in range(30):
        part = np.zeros((1, 48 * frame_ms), np.int16)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate = 48_000
        for packet in context.encode(frame):
            packets += 1
            out += decoder.decode(bytes(packet))
    assert len(out) == packets * frames_each
    assert {len(frame) for frame in out} == {FRAME}


def test_a_token_may_say_what_may_be_published():
    claims = Claims(video={"canPublishSources": ["microphone", "smell"]})
    permission = Join(claims, pb.JoinRequest(), "room").permission
    assert list(permission.can_publish_sources) == [models.TrackSource.MICROPHONE]
    assert not Join(Claims(), pb.JoinRequest(), "room").permission.can_publish_sources


class Listener:
    """A phone's ear, with opus packets of tones to feed it."""

    def __init__(self):
        self.frames: list[np.ndarray] = []
        self.audio = RoomAudio(self.frames.append, 0.0)

    def packets(self, amplitude: int, count: int, first: int = 0) -> list[rtp.RtpPacket]:
        encoder = new_encoder()
        payloads = [encoder.encode(frame) for frame in tone(380, amplitude, count)]
        return [rtp.RtpPacket(False, 111, first + n, n * 960, 0, p) for n, p in enumerate(payloads)]

    def peak(self, last: int = 5) -> int:
        return int(np.abs(np.concatenate(self.frames[-last:]).astype(int)).max())


def test_phone_hears_silence_at_50_frames_a_second_when_nothing_comes():
    ear = Listener()
    for tick in range(100):
        ear.audio.tick(tick * 0.02)
    assert 94 <= len(ear.frames) <= 100
    assert ear.peak(90) == 0


def test_one_track_passes_at_once_without_waiting_for_the_tick():
    ear = Listener()
    for n, packet in enumerate(ear.packets(8000, 20)):
        before = len(ear.frames)
        ear.audio.on_packet("TR_a", packet, n * 0.02)
        assert len(ear.frames) == before + 1
    assert ear.peak() > 6000


def test_lost_packet_is_concealed_and_a_late_one_dropped():
    ear = Listener()
    packets = ear.packets(8000, 20)
    for n, packet in enumerate(packets):
        if n != 15:
            ear.audio.on_packet("TR_a", packet, n * 0.02)
    assert len(ear.frames) == 20
    assert np.abs(ear.frames[15].astype(int)).max() > 2000
    ear.audio.on_packet("TR_a", packets[15], 0.4)
    assert len(ear.frames) == 20


def test_two_tracks_are_mixed_on_the_tick():
    ear = Listener()
    one, two = ear.packets(5000, 40), ear.packets(5000, 40)
    for n in range(40):
        ear.audio.on_packet("TR_a", one[n], n * 0.02)
        ear.audio.on_packet("TR_b", two[n], n * 0.02)
        ear.audio.tick(n * 0.02)
    assert 36 <= len(ear.frames) <= 42
    assert ear.peak() > 8000


def test_mixed_track_that_came_in_a_burst_does_not_stay_late():
    ear = Listener()
    silence, quiet, sound = ear.packets(0, 400), ear.packets(0, 400), ear.packets(8000, 400)
    for n in range(300):
        ear.audio.on_packet("TR_a", silence[n], n * 0.02)
        for k in range(5) if n == 0 else [n + 4]:
            ear.audio.on_packet("TR_b", (sound if n >= 290 else quiet)[k], n * 0.02)
        ear.audio.tick(n * 0.02)
        if n == 292:
            assert ear.peak(1) > 500
    assert ear.peak(12) > 6000


def test_frames_that_waited_to_be_mixed_are_heard_before_what_follows():
    ear = Listener()
    one, two = ear.packets(5000, 60), ear.packets(5000, 10)
    for n in range(60):
        ear.audio.on_packet("TR_a", one[n], n * 0.02)
        if n < 10:
            ear.audio.on_packet("TR_b", two[n], n * 0.02)
        if n > 2:
            ear.audio.tick(n * 0.02)
    assert len(ear.frames) == 60


def test_track_that_runs_fast_loses_frames_instead_of_growing_late():
    ear = Listener()
    for n, packet in enumerate(ear.packets(8000, 60)):
        ear.audio.on_packet("TR_a", packet, n * 0.01)
    assert len(ear.frames) <= 30 + 6
    assert ear.audio.dropped > 20


def call(**changes: str) -> Dialled:
    return Dialled(**{"called": "100", "calling": "200", "source": "127.0.0.1", **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"called": "999"}, "called number"),
        ({"calling": "999"}, "calling number"),
        ({"source": "192.0.2.1"}, "allowed addresses"),
    ],
)
def test_trunk_takes_calls_by_number_caller_and_address(changes, reason):
    telephony = Telephony()
    telephony.trunks["ST_1"] = sip_pb.SIPInboundTrunkInfo(
        sip_trunk_id="ST_1",
        numbers=["100"],
        allowed_numbers=["200"],
        allowed_addresses=["127.0.0.0/8"],
    )
    assert bool(telephony.find_trunk(call(**changes))) is not bool(reason)
    assert reason in telephony.refusals(call(**changes))


def test_the_most_specific_rule_wins():
    telephony, trunk = Telephony(), sip_pb.SIPInboundTrunkInfo(sip_trunk_id="ST_1")
    for name, filters in {
        "any": {},
        "own": {"trunk_ids": ["ST_1"]},
        "own number": {"trunk_ids": ["ST_1"], "numbers": ["100"]},
        "other": {"trunk_ids": ["ST_2"], "numbers": ["100"], "inbound_numbers": ["200"]},
    }.items():
        rule = sip_pb.SIPDispatchRuleInfo(sip_dispatch_rule_id=name, **filters)
        rule.rule.dispatch_rule_individual.room_prefix = name
        telephony.rules[name] = rule
    for expected in ("own number", "own", "any"):
        found = telephony.find_rule(trunk, call())
        assert found is not None and found.sip_dispatch_rule_id == expected
        del telephony.rules[expected]
    assert telephony.find_rule(trunk, call()) is None


def test_hidden_number_shows_its_last_four_digits():
    rule = sip_pb.SIPDispatchRuleInfo(hide_phone_number=True)
    rule.rule.dispatch_rule_individual.room_prefix = "hid"
    dialled = call(calling="+15557777")
    assert room_name(rule, dialled).startswith("hid_7777_")
    who, name = identity(rule, dialled)
    assert len(who) == len("sip_") + 16 and name == "Phone 7777"


def test_bucket_refills_with_time():
    now = 0.0
    bucket = TokenBucket(10, 2, now=lambda: now)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_connections_are_counted_by_source():
    limit = ConnectionLimit(2)
    assert [limit.enter("a") for _ in range(3)] == [True, True, False]
    assert limit.enter("b")
    limit.leave("a")
    assert limit.enter("a")


def test_log_shows_a_number_by_its_ends():
    assert masked("call_+15557777_abc") == "call_+1555•••7777_abc"
