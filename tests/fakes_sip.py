"""A SIP peer that says exactly what a test wants it to say, packet by packet."""

import asyncio
import re

from local.sip.message import Request, Response, parse_message

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {payloads}\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
)


def sdp(port: int = 40000, payloads: str = "0 8 101", more: str = "") -> bytes:
    """An audio description."""
    return SDP.format(port=port, payloads=payloads, more=more).encode()


class RawPeer(asyncio.DatagramProtocol):
    """One UDP socket without any SIP behaviour of its own.

    Parameters:
        polite: Whether it confirms every BYE by itself, for the end of a test.
        only: Passes over every message that does not hold these bytes.
    """

    def __init__(self):
        self._messages: asyncio.Queue[Request | Response] = asyncio.Queue()
        self._branch = 0
        self.port = 0
        self.polite = False
        self.only = b""
        self.far_end = ("127.0.0.1", 0)
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> "RawPeer":
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", 0)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, address)
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_):
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr):
        if self.only not in data:
            return
        message = parse_message(data)
        self._messages.put_nowait(message)
        self.far_end = addr
        if self.polite and isinstance(message, Request) and message.method == "BYE":
            self.send(self.answer(message, 200))

    def send(self, data: bytes | Request | Response) -> None:
        assert self._transport
        data = data if isinstance(data, bytes) else data.serialise()
        self._transport.sendto(data, self.far_end)

    async def receive(self, secs: float = 2.0) -> Request | Response:
        async with asyncio.timeout(secs):
            return await self._messages.get()

    async def request(self, method: str, secs: float = 2.0) -> Request:
        """The next request of this method; others and responses are passed over."""
        while True:
            message = await self.receive(secs)
            if isinstance(message, Request) and message.method == method:
                return message

    async def final(self, secs: float = 2.0) -> Response:
        """The next final response."""
        while True:
            message = await self.receive(secs)
            if isinstance(message, Response) and message.status >= 200:
                return message

    def heard(self) -> list[Request | Response]:
        """Everything that came and was not looked at."""
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]

    def make(
        self,
        method: str,
        *,
        seq: int = 1,
        tag: str = "",
        branch: str = "",
        body: bytes = b"",
        more: str = "",
        from_tag: str = "raw",
        call_id: str = "raw-call",
    ) -> bytes:
        """A request of this peer."""
        self._branch += 1
        to_tag = f";tag={tag}" if tag else ""
        kind = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in more else ""
        return (
            f"{method} sip:+15550100@127.0.0.1:{self.far_end[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};"
            f"branch={branch or f'z9hG4bKraw{self._branch}'};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:raw@127.0.0.1>;tag={from_tag}\r\n"
            f"To: <sip:+15550100@127.0.0.1>{to_tag}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: {seq} {method}\r\nContact: <sip:raw@127.0.0.1:{self.port}>\r\n"
            f"{kind}{more}Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def answer(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "peer",
        body: bytes = b"",
        more: str = "",
    ) -> bytes:
        """A response of this peer."""
        via = "".join(f"Via: {value}\r\n" for value in request.headers.all("Via"))
        to = request.headers.get("To")
        if tag and not re.search("tag=", to):
            to += f";tag={tag}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"SIP/2.0 {status} X\r\n{via}From: {request.headers.get('From')}\r\nTo: {to}\r\n"
            f"Call-ID: {request.call_id}\r\nCSeq: {request.headers.get('CSeq')}\r\n"
            f"Contact: <sip:raw@127.0.0.1:{self.port}>\r\n{kind}{more}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
