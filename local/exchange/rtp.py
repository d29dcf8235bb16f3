"""RTP packets of the room side, with the audio-level and mid header extensions.

Source: RFC 3550 §5.1, RFC 6464 (audio level), RFC 8285 (one-byte extensions).
"""

import struct
from dataclasses import dataclass

_HEAD = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_ONE_BYTE = 0xBEDE
SILENT = 127


@dataclass(slots=True)
class RtpPacket:
    """One packet, its header extensions already read.

    Parameters:
        level: Loudness in -dBov, 0 loudest; 127 is silence or no extension.
        mid: Media section it belongs to; empty when the packet does not say.
    """

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    level: int = SILENT
    mid: str = ""


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 §4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse(data: bytes, level_id: int = 1, mid_id: int = 4) -> RtpPacket | None:
    """Read one packet; ``None`` if it is malformed.

    Args:
        data: The packet, already decrypted.
        level_id: Extension number of the audio level in this session, 0 for none.
        mid_id: Extension number of the mid, 0 for none.
    """
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _HEAD.unpack_from(data)
    pos = 12 + 4 * (first & 15)
    packet = RtpPacket(bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, b"")
    if first & 0x10:
        if len(data) < pos + 4:
            return None
        profile, words = _EXTENSION.unpack_from(data, pos)
        start, pos = pos + 4, pos + 4 + words * 4
        if pos > len(data):
            return None
        if profile == _ONE_BYTE:
            _read_extensions(packet, data[start:pos], level_id, mid_id)
    end = len(data) - (data[-1] if first & 0x20 else 0)
    if end < pos:
        return None
    packet.payload = data[pos:end]
    return packet


def _read_extensions(packet: RtpPacket, block: bytes, level_id: int, mid_id: int) -> None:
    pos = 0
    while pos + 1 < len(block):
        if block[pos] == 0:  # padding
            pos += 1
            continue
        number, size = block[pos] >> 4, (block[pos] & 15) + 1
        if number == level_id:
            packet.level = block[pos + 1] & 0x7F
        elif number == mid_id:
            packet.mid = block[pos + 1 : pos + 1 + size].decode("ascii", "replace")
        pos += 1 + size


def build(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool
) -> bytes:
    """Write one packet without extensions; sequence and timestamp wrap by themselves."""
    second = payload_type | (0x80 if marker else 0)
    return (
        _HEAD.pack(0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF)
        + payload
    )
