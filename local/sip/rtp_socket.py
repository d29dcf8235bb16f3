"""A UDP socket for RTP whose packets carry the kernel's arrival time."""

import socket
import struct
import time

from local.sip.uri import Address

SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")


def open_rtp_socket(host: str) -> socket.socket:
    """A non-blocking socket on a free even port of ``host`` (RFC 3550 §11).

    Raises:
        OSError: If no port can be bound.
    """
    odd: list[socket.socket] = []
    try:
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                sock.bind((host, 0))
            except OSError:
                sock.close()
                raise
            if sock.getsockname()[1] % 2 == 0 or len(odd) >= 16:
                break
            odd.append(sock)
    finally:
        for other in odd:
            other.close()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    return sock


def receive_stamped(sock: socket.socket) -> tuple[bytes, Address, float] | None:
    """The next datagram, its source, and its arrival in seconds on the ``time.monotonic()`` clock.

    The stamp is the kernel's, so it does not depend on when this process was scheduled. None when
    nothing has come. One at a time: there is seldom a second, and asking in vain costs as much as
    the loop's next call does.
    """
    try:
        data, ancillary, _, source = sock.recvmsg(2048, 64)
    except (BlockingIOError, ConnectionRefusedError):
        # Refused: an earlier packet of ours found no listener, which the media time-out judges.
        return None
    arrival_ns = time.monotonic_ns()
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= 16:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            age_ns = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
            arrival_ns -= age_ns
    return data, source, arrival_ns / 1e9
