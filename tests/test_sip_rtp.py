"""Audio packets on a moved clock: order, loss, digits, sources and silence of the far end."""

import numpy as np
import pytest

from local.sip.behaviour import RtpOptions
from local.sip.concealment import Concealer
from local.sip.dtmf import DtmfReceiver, EventPayload, digit_ticks
from local.sip.errors import SipParseError
from local.sip.g711 import CODECS
from local.sip.latch import SymmetricLatch
from local.sip.media_timeout import MediaTimeout
from local.sip.reorder import ReorderWindow
from local.sip.rtp_packet import RtpPacket, is_rtcp, parse_rtp, sequence_distance
from local.sip.rtp_receiver import RtpReceiver
from local.sip.rtp_sender import RtpSender
from local.sip.rtp_stats import JitterMeter
from local.sip.sdp import Negotiated

PEER = ("127.0.0.1", 4000)
AGREED = Negotiated("PCMU", 0, 101, PEER, "sendrecv")


def packet(sequence: int, payload: bytes = b"\xff" * 160, **kwargs) -> RtpPacket:
    fields = {"payload_type": 0, "timestamp": sequence * 160, "ssrc": 7} | kwargs
    return RtpPacket(sequence=sequence, payload=payload, **fields)


# Packets


def test_a_packet_survives_the_way_out_and_in():
    sent = packet(65535, b"abc", marker=True, ssrc=0xFFFFFFFF)
    assert parse_rtp(sent.serialise()) == sent


def test_contributors_extension_and_padding_are_stepped_over():
    plain = packet(1, b"").serialise()
    data = bytes([0x80 | 0x20 | 0x10 | 2]) + plain[1:] + b"c" * 8 + b"\x00\x01\x00\x01ext1"
    assert parse_rtp(data + b"audio\x00\x00\x03").payload == b"audio"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80" * 11, b"\x40" + bytes(20), b"\x8f" + bytes(11), b"\xa0" + bytes(11) + b"\xff"],
)
def test_what_is_no_packet_is_refused(data):
    with pytest.raises(SipParseError):
        parse_rtp(data)


def test_rtcp_on_the_same_port_is_told_apart():
    assert is_rtcp(bytes([0x80, 200, 0, 6]) + bytes(24))
    assert not is_rtcp(packet(1, marker=True).serialise())


def test_sequence_numbers_wrap():
    assert sequence_distance(2, 65534) == 4
    assert sequence_distance(65534, 2) == -4


# Order


def pushed(
    window: ReorderWindow[int], *arrivals: tuple[int, float]
) -> list[tuple[int | None, int]]:
    return [slot for seq, now in arrivals for slot in window.push(seq, seq, now)]


def test_packets_in_order_pass_at_once_over_the_wrap():
    window: ReorderWindow[int] = ReorderWindow()
    slots = pushed(window, (65534, 0.0), (65535, 0.02), (0, 0.04), (1, 0.06))
    assert slots == [(65534, 0), (65535, 0), (0, 0), (1, 0)]


def test_swapped_packets_are_put_right():
    window: ReorderWindow[int] = ReorderWindow()
    slots = pushed(window, (1, 0.0), (3, 0.02), (2, 0.03), (4, 0.06))
    assert [item for item, _ in slots] == [1, 2, 3, 4] and window.due is None


def test_a_gap_is_waited_for_60_ms_and_then_named_lost():
    window: ReorderWindow[int] = ReorderWindow()
    assert pushed(window, (1, 0.0), (4, 0.02), (5, 0.04)) == [(1, 0)]
    assert window.due == pytest.approx(0.08)
    assert window.tick(0.079) == []
    assert window.tick(0.08) == [(None, 2), (4, 0), (5, 0)]
    assert window.push(2, 2, 0.1) == [] and window.late == 1


def test_a_packet_that_comes_twice_is_heard_once():
    window: ReorderWindow[int] = ReorderWindow()
    slots = pushed(window, (1, 0.0), (1, 0.0), (3, 0.04), (3, 0.04), (2, 0.05))
    assert [item for item, _ in slots] == [1, 2, 3] and window.late == 2


def test_a_new_numbering_begins_only_when_two_packets_confirm_it():
    window: ReorderWindow[int] = ReorderWindow()
    assert pushed(window, (1, 0.0), (20000, 0.02), (2, 0.04)) == [(1, 0), (2, 0)]
    slots = pushed(window, (30000, 0.06), (30001, 0.08), (30002, 0.1))
    assert slots == [(30001, 0), (30002, 0)]


# Concealment


def test_a_lost_frame_goes_on_with_the_pitch_and_fades():
    tone = (8000 * np.sin(2 * np.pi * 200 / 8000 * np.arange(800))).astype(np.int16)
    concealer = Concealer()
    for start in range(0, 480, 160):
        concealer.heard(tone[start : start + 160])
    first, second, third, fourth = (concealer.fill() for _ in range(4))
    expected = tone[480:640].astype(float)
    assert np.corrcoef(first, expected)[0, 1] > 0.98
    assert np.abs(first[:40].astype(int) - tone[480:520]).max() < 800
    levels = [np.abs(frame.astype(int)).max() for frame in (first, second, third, fourth)]
    assert levels[0] > levels[1] > levels[2] > levels[3] == 0


def test_concealing_silence_is_silence():
    assert not Concealer().fill().any()


# Digits


def event(digit: str, sequence: int, timestamp: int, duration: int, *, end: bool = False):
    payload = EventPayload(digit, duration, end).serialise()
    return packet(sequence, payload, payload_type=101, timestamp=timestamp)


def test_a_digit_is_one_packet_each_20_ms_with_the_end_three_times():
    ticks = digit_ticks("#", 100)
    assert [(t.duration, t.end) for t in ticks] == [
        (160, False),
        (320, False),
        (480, False),
        (640, False),
        (800, True),
        (800, True),
        (800, True),
    ]
    assert EventPayload.parse(ticks[0].serialise()) == EventPayload("#", 160, False)
    assert ticks[0].serialise() == bytes([11, 10, 0, 160])
    with pytest.raises(ValueError, match="not one of"):
        digit_ticks("x", 100)


def test_a_digit_is_reported_at_its_first_packet_and_once():
    receiver = DtmfReceiver()
    seen = [receiver.receive(event("5", i, 1000, 160 * (i + 1)), i * 0.02) for i in range(3)]
    ends = [receiver.receive(event("5", i, 1000, 800, end=True), i * 0.02) for i in (4, 5, 6)]
    assert [began for began, _ in seen] == ["5", None, None]
    assert [ended.duration_secs if ended else None for _, ended in ends] == [0.1, None, None]
    assert receiver.due is None


def test_a_digit_whose_end_is_lost_is_closed_by_time_or_by_the_next():
    receiver = DtmfReceiver()
    receiver.receive(event("1", 1, 1000, 320), 0.0)
    assert receiver.tick(0.05) is None
    closed = receiver.tick(0.06)
    assert closed and (closed.digit, closed.duration_secs) == ("1", 0.04)
    receiver.receive(event("2", 2, 3000, 160), 0.1)
    began, ended = receiver.receive(event("2", 9, 5000, 160), 0.12)
    assert began == "2" and ended and ended.digit == "2"


def test_what_is_no_digit_is_passed_over():
    receiver = DtmfReceiver()
    flash = packet(1, bytes([16, 10, 0, 160]), payload_type=101)
    assert receiver.receive(flash, 0.0) == (None, None)
    assert receiver.receive(packet(2, b"\x01", payload_type=101), 0.0) == (None, None)


# Where the audio comes from


def test_audio_goes_to_where_it_comes_from_whatever_the_sdp_said():
    latch = SymmetricLatch()
    assert not latch.accepts(PEER, 1, 0.0)
    latch.signalled(("10.0.0.5", 9), "127.0.0.1")
    assert latch.target == ("10.0.0.5", 9)
    assert not latch.accepts(("192.168.1.1", 4000), 1, 0.0)
    assert latch.accepts(PEER, 1, 0.0) and latch.target == PEER


def test_on_loopback_the_port_decides_and_a_stranger_cannot_take_over():
    latch = SymmetricLatch()
    latch.signalled(PEER)
    assert latch.accepts(PEER, 1, 0.0)
    assert not latch.accepts(("127.0.0.1", 4002), 2, 0.02)
    assert latch.accepts(PEER, 1, 0.02)
    assert not latch.accepts(("127.0.0.1", 4002), 1, 1.0)
    assert latch.accepts(("127.0.0.1", 4002), 2, 1.0), "the old source is quiet, a new one speaks"
    assert latch.accepts(PEER, 1, 1.02), "the address of the SDP may always come back"


def test_a_new_sdp_address_lets_go():
    latch = SymmetricLatch()
    latch.signalled(PEER)
    latch.accepts(PEER, 1, 0.0)
    latch.signalled(("127.0.0.1", 4100))
    assert latch.target == ("127.0.0.1", 4100)
    assert latch.accepts(("127.0.0.1", 4100), 1, 0.02)


def test_without_symmetry_the_sdp_decides():
    latch = SymmetricLatch(symmetric=False)
    latch.signalled(PEER)
    assert latch.accepts(("127.0.0.1", 5), 1, 0.0) and latch.target == PEER


# Silence of the far end


def test_a_far_end_that_never_speaks_is_given_up_later_than_one_that_stops():
    watch = MediaTimeout(30.0, 15.0)
    assert not watch.expired(1e9)
    watch.start(100.0)
    assert not watch.expired(129.9) and watch.expired(130.0)
    watch.heard(110.0)
    assert not watch.expired(124.9) and watch.expired(125.0)
    watch.stop()
    assert not watch.expired(1e9)
    assert MediaTimeout(None, None).due is None


# Both halves


class Line:
    """A receiver and what it reported."""

    def __init__(self, agreed: Negotiated = AGREED):
        self.audio: list[tuple[int, float]] = []
        self.digits: list[str] = []
        self.receiver = RtpReceiver(RtpOptions())
        self.receiver.on_audio = lambda pcm, t: self.audio.append((int(pcm[0]), round(t, 3)))
        self.receiver.on_digit = self.digits.append
        self.receiver.configure(agreed)

    def packet(self, packet: RtpPacket, now: float, source=PEER) -> bool:
        return self.receiver.receive(packet.serialise(), source, now)


def level(value: int) -> bytes:
    return CODECS["PCMU"].encode(np.full(160, value, np.int16))


def test_frames_come_in_order_with_their_arrival_times_and_a_lost_one_filled():
    line = Line()
    for sequence, now in [(1, 0.0), (3, 0.02), (2, 0.03), (4, 0.06), (6, 0.1)]:
        line.packet(packet(sequence, level(1000 * sequence)), now)
    line.receiver.tick(0.16)
    assert [t for _, t in line.audio] == [0.0, 0.03, 0.02, 0.06, 0.08, 0.1]
    said = [int(CODECS["PCMU"].decode(level(1000 * n))[0]) for n in (1, 2, 3, 4, 6)]
    heard = [value for value, _ in line.audio]
    assert [*heard[:4], heard[5]] == said
    assert (line.receiver.stats.received, line.receiver.stats.lost) == (5, 1)


def test_digits_share_the_numbering_and_count_as_no_loss():
    line = Line()
    line.packet(packet(1), 0.0)
    for i, tick in enumerate(digit_ticks("7", 60)):
        line.packet(packet(2 + i, tick.serialise(), payload_type=101, timestamp=320), 0.02 * i)
    line.packet(packet(7), 0.2)
    assert line.digits == ["7"] and len(line.audio) == 2
    assert line.receiver.stats.lost == 0


def test_strange_packets_are_dropped_and_counted():
    line = Line()
    assert not line.packet(packet(1, payload_type=9), 0.0)
    assert not line.packet(packet(1), 0.0, source=("192.168.0.1", 4000))
    assert not line.receiver.receive(bytes([0x80, 200, 0, 6]) + bytes(24), PEER, 0.0)
    assert not line.receiver.receive(b"hello", PEER, 0.0)
    assert (line.receiver.stats.foreign, line.receiver.stats.rtcp) == (3, 1)
    assert line.audio == []


def test_a_new_source_after_a_transfer_is_heard_at_once():
    line = Line()
    line.packet(packet(100), 0.0)
    line.packet(packet(9, ssrc=8), 0.5)
    line.packet(packet(10, ssrc=8), 0.52)
    assert len(line.audio) == 3 and line.receiver.stats.lost == 0


def test_another_packet_time_is_cut_into_20_ms():
    line = Line()
    for i in range(4):
        line.packet(packet(i, b"\xff" * 240, timestamp=i * 240), i * 0.03)
    assert len(line.audio) == 6


def test_jitter_is_that_of_the_rfc():
    meter = JitterMeter()
    for i in range(200):
        meter.packet(i * 0.02 + (0.004 if i % 2 else 0.0), i * 160)
    assert meter.jitter_ms == pytest.approx(4.0, abs=0.1)


def sent_by(options: RtpOptions | None = None, agreed: Negotiated = AGREED):
    out: list[RtpPacket] = []
    sender = RtpSender(lambda data: out.append(parse_rtp(data)), options or RtpOptions())
    sender.configure(agreed)
    return sender, out


def test_sequence_and_timestamp_count_from_where_the_options_say():
    sender, out = sent_by(RtpOptions(first_sequence=0, first_timestamp=0))
    for _ in range(3):
        sender.send(np.zeros(160, np.int16))
    assert [(p.sequence, p.timestamp, p.marker) for p in out] == [
        (0, 0, False),
        (1, 160, False),
        (2, 320, False),
    ]
    assert out[0].payload == b"\xff" * 160
    with pytest.raises(ValueError, match="160 samples"):
        sender.send(np.zeros(80, np.int16))


def test_digits_take_the_place_of_audio_under_the_number_of_the_offer():
    agreed = Negotiated("PCMA", 8, 96, PEER, "sendrecv")
    sender, out = sent_by(RtpOptions(first_sequence=0, first_timestamp=0), agreed)
    done: list[bool] = []
    sender.queue_digits("12", 60, 40, lambda: done.append(True))
    for _ in range(16):
        sender.send(np.zeros(160, np.int16))
    kinds = [p.payload_type for p in out]
    assert kinds == [96] * 5 + [8] * 2 + [96] * 5 + [8] * 4
    first, second = [p for p in out if p.payload_type == 96][:5], out[7:12]
    assert {p.timestamp for p in first} == {0} and {p.timestamp for p in second} == {7 * 160}
    assert [p.marker for p in first] == [True, False, False, False, False]
    assert [p.sequence for p in out] == list(range(16))
    assert out[5].timestamp == 5 * 160 and done == [True]


def test_on_hold_nothing_leaves_and_the_next_packet_carries_the_marker():
    sender, out = sent_by(RtpOptions(first_sequence=0, first_timestamp=0))
    frame = np.zeros(160, np.int16)
    sender.send(frame)
    sender.configure(Negotiated("PCMU", 0, 101, PEER, "recvonly"))
    sender.send(frame)
    sender.configure(AGREED)
    sender.send(frame)
    assert [(p.sequence, p.timestamp, p.marker) for p in out] == [(0, 0, False), (1, 320, True)]


def test_digits_need_a_far_end_that_takes_them():
    sender, _ = sent_by(agreed=Negotiated("PCMU", 0, None, PEER, "sendrecv"))
    with pytest.raises(ValueError, match="telephone-event"):
        sender.queue_digits("1", 100, 100, lambda: None)
