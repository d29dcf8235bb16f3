"""The UDP socket of a SIP endpoint, as asyncio wants it."""

import asyncio
from collections.abc import Callable
from typing import Any

from local.sip.uri import Address


class Datagrams(asyncio.DatagramProtocol):
    """Passes every datagram to ``receive``; without one it is dropped."""

    receive: Callable[[bytes, Address], None] | None = None

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Pass a datagram on."""
        if self.receive:
            self.receive(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """An ICMP answer to an earlier packet; timers judge it."""
