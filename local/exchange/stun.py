"""The part of STUN that an ICE-lite agent needs: read a binding request, write its answer.

Source: RFC 5389, RFC 8445 §7.
"""

import hashlib
import hmac
import socket
import struct
import zlib
from dataclasses import dataclass

MAGIC = 0x2112A442
BINDING_REQUEST, BINDING_RESPONSE = 0x0001, 0x0101
USERNAME, INTEGRITY, XOR_MAPPED = 0x0006, 0x0008, 0x0020
USE_CANDIDATE, FINGERPRINT = 0x0025, 0x8028
_FINGERPRINT_XOR = 0x5354554E


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A signed binding request.

    Parameters:
        transaction: 12 bytes that the answer repeats.
        username: ``<our ufrag>:<their ufrag>``.
        use_candidate: The client nominates this path.
        signed_part: The message up to MESSAGE-INTEGRITY, its length field adjusted.
        integrity: HMAC-SHA1 over ``signed_part``.
    """

    transaction: bytes
    username: str
    use_candidate: bool
    signed_part: bytes
    integrity: bytes

    def verify(self, password: str) -> bool:
        """Tell whether the sender knew ``password``."""
        want = hmac.new(password.encode(), self.signed_part, hashlib.sha1).digest()
        return hmac.compare_digest(want, self.integrity)


def parse_request(data: bytes) -> BindingRequest | None:
    """Read a binding request; ``None`` for anything that is not well formed and signed."""
    if len(data) < 20:
        return None
    kind, length, magic = struct.unpack_from("!HHI", data)
    if kind != BINDING_REQUEST or magic != MAGIC or length + 20 != len(data) or length % 4:
        return None
    username, use_candidate = "", False
    pos = 20
    while pos + 4 <= len(data):
        attribute, size = struct.unpack_from("!HH", data, pos)
        value = data[pos + 4 : pos + 4 + size]
        if len(value) != size:
            return None
        if attribute == USERNAME:
            username = value.decode("utf-8", "replace")
        elif attribute == USE_CANDIDATE:
            use_candidate = True
        elif attribute == INTEGRITY and size == 20:
            if not username:
                return None
            signed = data[:2] + struct.pack("!H", pos + 24 - 20) + data[4:pos]
            return BindingRequest(data[8:20], username, use_candidate, signed, value)
        pos += 4 + size + (-size % 4)
    return None


def binding_response(transaction: bytes, address: tuple[str, int], password: str) -> bytes:
    """Answer a binding request that came from ``address`` (IPv4 and port)."""
    port = address[1] ^ (MAGIC >> 16)
    ip = struct.unpack("!I", socket.inet_aton(address[0]))[0] ^ MAGIC
    attributes = struct.pack("!HHBBHI", XOR_MAPPED, 8, 0, 1, port, ip)
    head = struct.pack("!HHI", BINDING_RESPONSE, len(attributes) + 24, MAGIC) + transaction
    mac = hmac.new(password.encode(), head + attributes, hashlib.sha1).digest()
    attributes += struct.pack("!HH", INTEGRITY, 20) + mac
    head = struct.pack("!HHI", BINDING_RESPONSE, len(attributes) + 8, MAGIC) + transaction
    crc = zlib.crc32(head + attributes) ^ _FINGERPRINT_XOR
    return head + attributes + struct.pack("!HHI", FINGERPRINT, 4, crc)
