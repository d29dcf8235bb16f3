"""A telephone: one UDP socket for SIP, many calls."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from loguru import logger

from local.sip.behaviour import Behaviour
from local.sip.call import SipCall
from local.sip.datagrams import Datagrams
from local.sip.digest import Credentials, DigestClient, DigestServer
from local.sip.errors import SipParseError
from local.sip.message import Request, Response, build_response, parse_message
from local.sip.offer_answer import OfferAnswer
from local.sip.outgoing import OutgoingInvite, build_invite
from local.sip.reception import Reception
from local.sip.rtp_session import RtpSession
from local.sip.transaction_layer import ServerTransaction, TransactionLayer
from local.sip.uri import Address, SipUri

_CLOSE_SECS = 2.0


class SipEndpoint:
    """Places and takes calls over UDP and IPv4.

    Parameters:
        address: Where it listens.
        host: The address it names in Contact, Via and SDP.
        options_status: Answer to OPTIONS: 200, or 503 while draining.
        behaviour: Where the RFCs leave a choice.
        calls: Calls that are not over.
        on_message: Called with ``"in"`` or ``"out"``, message and address, for traces.
        on_register: Answers each REGISTER; without it they get 405.
        closing: Whether ``close`` has been called; new calls get 503.
        dropped: Datagrams that were no SIP or came from elsewhere.
    """

    def __init__(
        self,
        transport: asyncio.DatagramTransport,
        *,
        on_invite: Callable[[SipCall], Awaitable[None]] | None,
        trusted: Sequence[str],
        users: Mapping[str, str] | None,
        user_agent: str,
        behaviour: Behaviour,
        advertised_host: str,
    ):
        self.address: Address = transport.get_extra_info("sockname")[:2]
        self.host = advertised_host or self.address[0]
        self.user_agent = user_agent
        self.behaviour = behaviour
        self.options_status = 200
        self.on_message: Callable[[str, Request | Response, Address], None] | None = None
        self.on_register: Callable[[Request, ServerTransaction], None] | None = None
        self.dropped = 0
        self._transport = transport
        self._trusted = [ipaddress.ip_network(network) for network in trusted]
        self._calls: dict[tuple[str, str], SipCall] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closing = False
        digest = self.digest_server(users) if users else None
        self._reception = Reception(self, on_invite, digest)
        via = f"{self.host}:{self.address[1]}"
        self.transactions = TransactionLayer(
            self.send, self._reception.receive, via, behaviour.timers
        )

    @classmethod
    async def open(
        cls,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        on_invite: Callable[[SipCall], Awaitable[None]] | None = None,
        trusted: Sequence[str] = ("127.0.0.0/8",),
        users: Mapping[str, str] | None = None,
        user_agent: str = "switchboard",
        behaviour: Behaviour | None = None,
        advertised_host: str = "",
    ) -> "SipEndpoint":
        """Listen.

        Args:
            host: Address to bind.
            port: 0 takes a free one.
            on_invite: Handles each incoming call, in a task of its own; without it calls get 404.
            trusted: Networks whose packets are read; all others are dropped without an answer.
            users: Passwords by user; with them every INVITE is challenged.
            user_agent: Named in messages; empty names none.
            behaviour: Where the RFCs leave a choice.
            advertised_host: Own address as others see it; needed when bound to 0.0.0.0.

        Raises:
            OSError: If the port is in use or the address is not of this host.
            ValueError: If bound to 0.0.0.0 without ``advertised_host``, or a network is misspelt.
        """
        if host == "0.0.0.0" and not advertised_host:
            raise ValueError("bound to 0.0.0.0: advertised_host must name an address")
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Datagrams, (host, port))
        try:
            endpoint = cls(
                transport,
                on_invite=on_invite,
                trusted=trusted,
                users=users,
                user_agent=user_agent,
                behaviour=behaviour or Behaviour(),
                advertised_host=advertised_host,
            )
        except ValueError:
            transport.close()
            raise
        protocol.receive = endpoint._receive
        return endpoint

    @property
    def contact(self) -> str:
        """Own Contact."""
        return f"<sip:{self.host}:{self.address[1]};transport=udp>"

    @property
    def calls(self) -> list[SipCall]:
        """Calls that are not over."""
        return [call for call in self._calls.values() if call.end is None]

    def digest_server(self, users: Mapping[str, str]) -> DigestServer:
        """Challenges in the manner of the behaviour, for ``SipCall.authorized``."""
        return DigestServer(
            users,
            realm=self.behaviour.digest_realm,
            algorithms=self.behaviour.digest_algorithms,
            qop=self.behaviour.digest_qop,
        )

    def invite(
        self,
        uri: str,
        *,
        from_user: str,
        display_name: str = "",
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        codecs: Sequence[str] = ("PCMU", "PCMA"),
        ring_secs: float = 60.0,
        tag: str = "",
        from_host: str = "",
    ) -> SipCall:
        """Place a call; the INVITE leaves at once.

        Args:
            uri: ``sip:user@host:port`` with an IPv4 address.
            from_user: Who calls.
            display_name: Shown to the callee.
            headers: Extra headers of the INVITE.
            credentials: For a challenge.
            codecs: Offered, the preferred first.
            ring_secs: After so long it is cancelled.
            tag: Own dialogue tag; empty makes one.
            from_host: Host of From; empty is this endpoint.

        Raises:
            SipParseError: If the URI cannot be called.
            ValueError: If a header would break the message.
        """
        target = SipUri.parse(uri)
        address = target.address
        invite = build_invite(
            self,
            target.bare(),
            from_user=from_user,
            display_name=display_name,
            headers=headers or {},
            tag=tag,
            from_host=from_host,
        )
        call = SipCall(
            self,
            RtpSession(self.address[0], self.behaviour.rtp),
            direction="out",
            call_id=invite.call_id,
            local_tag=invite.from_tag,
            from_user=from_user,
            to_user=target.user,
            headers=invite.headers,
        )
        descriptions = OfferAnswer(call.media, self.host, address[0], self.behaviour, codecs)
        call.source = address
        call.outgoing = OutgoingInvite(
            call,
            self,
            invite,
            address,
            descriptions,
            digest=DigestClient(credentials) if credentials else None,
            ring_secs=ring_secs,
        )
        self.began(call)
        call.outgoing.start()
        return call

    async def close(self) -> None:
        """End all calls politely, within 2 s, then close the socket; safe to call twice."""
        if self.closing:
            return
        self.closing = True
        for call in self.calls:
            if call.leg:
                call.leg.unacknowledged.stop()
            self.spawn(call.hangup())
        deadline = time.monotonic() + _CLOSE_SECS
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - time.monotonic())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self.known_calls:
            if call.leg:
                call.leg.unacknowledged.stop()
        self.transactions.close()
        self._transport.close()

    # What follows is for the calls.

    def send(self, message: Request | Response, address: Address) -> None:
        """Put a message on the wire."""
        if self.on_message:
            self.on_message("out", message, address)
        if not self._transport.is_closing():
            self._transport.sendto(message.serialise(), address)

    def response(
        self,
        request: Request,
        status: int,
        phrase: str,
        *,
        tag: str = "",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """A response with the endpoint's own headers."""
        if not tag and status > 100:
            tag = self.behaviour.new_tag()
        response = build_response(request, status, phrase, to_tag=tag, headers=headers, body=body)
        if self.user_agent:
            response.headers.add("User-Agent", self.user_agent)
        return response

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something the endpoint waits for when it closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def known_calls(self) -> list[SipCall]:
        """All calls, those just over included."""
        return list(self._calls.values())

    def call_of(self, request: Request) -> SipCall | None:
        """The call whose dialogue a request names by Call-ID and own tag."""
        return self._calls.get((request.call_id, request.to_tag)) if request.to_tag else None

    def began(self, call: SipCall) -> None:
        """A call exists: requests may name it."""
        self._calls[call.call_id, call.local_tag] = call

    def ended(self, call: SipCall) -> None:
        """A call is over: late requests of it are answered for a while, then it is forgotten."""
        loop = asyncio.get_running_loop()
        key = (call.call_id, call.local_tag)
        loop.call_later(self.behaviour.timers.give_up, self._calls.pop, key, None)

    def _receive(self, data: bytes, source: Address) -> None:
        if not any(ipaddress.ip_address(source[0]) in network for network in self._trusted):
            self.dropped += 1
            return
        try:
            message = parse_message(data)
            if self.on_message:
                self.on_message("in", message, source)
            self.transactions.receive(message, source)
        except SipParseError as e:
            self.dropped += 1
            logger.debug(f"SIP from {source[0]}:{source[1]} dropped: {e}")
