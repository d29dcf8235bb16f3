"""RTP packets (RFC 3550 §5.1)."""

import struct
from typing import NamedTuple

from local.sip.errors import SipParseError

_HEADER = struct.Struct("!BBHII")


class RtpPacket(NamedTuple):
    """One packet.

    Parameters:
        payload_type: 0 to 127.
        sequence: 16 bits, wraps.
        timestamp: 32 bits in samples of the clock (8 kHz), wraps.
        ssrc: The source's random number.
        payload: Without padding.
        marker: Start of a talk spurt or of an event.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def serialise(self) -> bytes:
        """The datagram."""
        return build_rtp(*self)


def build_rtp(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool
) -> bytes:
    """The datagram of a packet."""
    second = 0x80 | payload_type if marker else payload_type
    return _HEADER.pack(0x80, second, sequence, timestamp, ssrc) + payload


def parse_rtp(data: bytes) -> RtpPacket:
    """Read a packet; CSRC list, extension and padding are stepped over.

    Raises:
        SipParseError: If it is too short, of another version or its padding is impossible.
    """
    if len(data) < 12 or data[0] >> 6 != 2:
        raise SipParseError("no RTP version 2 packet")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:
        if len(data) < start + 4:
            raise SipParseError("RTP extension is cut short")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    if first & 0x20:
        if not data[-1]:
            raise SipParseError("RTP padding of length 0")
        end -= data[-1]
    if start > end:
        raise SipParseError("RTP packet is cut short")
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, bytes(data[start:end]), bool(second & 0x80)
    )


def is_rtcp(data: bytes) -> bool:
    """Whether a packet on a shared port is RTCP: second byte 200 to 204 (RFC 5761 §4)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 200 <= data[1] <= 204


def sequence_distance(later: int, earlier: int) -> int:
    """``later - earlier`` modulo 65 536, from -32 768 to 32 767."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000
