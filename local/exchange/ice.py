"""One UDP socket for all clients: the client checks the path, the exchange only answers (ICE-lite).

A datagram belongs to a client by its source address. An address is learned from a binding request
whose USERNAME names the client's local user fragment and whose MESSAGE-INTEGRITY fits its password.
"""

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Protocol

from loguru import logger

from local.exchange import stun

Address = tuple[str, int]
_RECEIVE_BUFFER = 1 << 20


class IcePeer(Protocol):
    """What the socket needs of a client's transport."""

    remote: Address | None
    last_check: float

    def on_datagram(self, data: bytes) -> None:
        """Take one datagram that is not STUN."""
        ...


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """Local credentials of one client."""

    peer: IcePeer
    ufrag: str
    pwd: str


class IceSocket:
    """The media socket; ``dropped`` counts datagrams of nobody and sends that failed."""

    def __init__(self, host: str, port: int):
        """Bind the socket.

        Args:
            host: IPv4 address to bind and to name in answers.
            port: UDP port, 0 for any.
        """
        self.host = host
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.dropped = 0
        self._by_ufrag: dict[str, IceCredentials] = {}
        self._by_address: dict[Address, IcePeer] = {}

    def start(self) -> None:
        """Read from now on, in the running loop."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        """Stop reading and close."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    def register(self, credentials: IceCredentials) -> None:
        """Accept binding requests for these credentials."""
        self._by_ufrag[credentials.ufrag] = credentials

    def unregister(self, peer: IcePeer) -> None:
        """Forget a client."""
        for ufrag in [u for u, c in self._by_ufrag.items() if c.peer is peer]:
            del self._by_ufrag[ufrag]
        for address in [a for a, p in self._by_address.items() if p is peer]:
            del self._by_address[address]

    def send(self, data: bytes, address: Address) -> None:
        """Send now or never: media that cannot leave at once is worthless later."""
        try:
            self._socket.sendto(data, address)
        except OSError:
            self.dropped += 1

    def _readable(self) -> None:
        # One at a time: asking in vain for a second costs as much as the loop's next call does.
        try:
            data, address = self._socket.recvfrom(2048)
        except OSError:  # nothing there, or ICMP port unreachable of an earlier send
            return
        if data and data[0] < 4:
            self._on_stun(data, address)
        elif data and (peer := self._by_address.get(address)):
            peer.on_datagram(data)
        else:
            self.dropped += 1

    def _on_stun(self, data: bytes, address: Address) -> None:
        request = stun.parse_request(data)
        if request is None:
            self.dropped += 1
            return
        credentials = self._by_ufrag.get(request.username.partition(":")[0])
        if credentials is None or not request.verify(credentials.pwd):
            self.dropped += 1
            return
        peer = credentials.peer
        peer.last_check = time.monotonic()
        self._by_address[address] = peer
        answer = stun.binding_response(request.transaction, address, credentials.pwd)
        self.send(answer, address)
        if request.use_candidate or peer.remote is None:
            if peer.remote is not None and peer.remote != address:
                logger.debug(f"media path moved to {address[0]}:{address[1]}")
            peer.remote = address
