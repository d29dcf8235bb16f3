"""Who talks to whom in a call: tags, route set, remote target, sequence numbers (RFC 3261 §12)."""

from dataclasses import dataclass, field

from local.sip.headers import Headers
from local.sip.message import Request, Response
from local.sip.uri import Address, NameAddr, SipUri


@dataclass
class Dialog:
    """One dialogue, from this end.

    Parameters:
        call_id: The Call-ID.
        local: Own From or To, tag included.
        remote: The far end's, tag included.
        remote_target: Request-URI of own requests: the far end's Contact.
        routes: Route set, the next hop first.
        local_seq: CSeq of the last own request.
        remote_seq: CSeq of the far end's last request, None before the first.
    """

    call_id: str
    local: NameAddr
    remote: NameAddr
    remote_target: str
    routes: tuple[str, ...] = ()
    local_seq: int = 0
    remote_seq: int | None = field(default=None)

    @classmethod
    def of_caller(cls, invite: Request, response: Response) -> "Dialog":
        """The dialogue a 2xx makes: Record-Route reversed, target from its Contact (§12.1.2)."""
        return cls(
            call_id=invite.call_id,
            local=NameAddr.parse(invite.headers.get("From")),
            remote=NameAddr.parse(response.headers.get("To")),
            remote_target=_contact(response) or invite.uri,
            routes=tuple(reversed(response.headers.all("Record-Route"))),
            local_seq=invite.cseq,
        )

    @classmethod
    def of_callee(cls, invite: Request, local_tag: str) -> "Dialog":
        """The dialogue of an INVITE that came: Record-Route as received (§12.1.1)."""
        return cls(
            call_id=invite.call_id,
            local=NameAddr.parse(invite.headers.get("To")).with_tag(local_tag),
            remote=NameAddr.parse(invite.headers.get("From")),
            remote_target=_contact(invite) or NameAddr.parse(invite.headers.get("From")).uri,
            routes=tuple(invite.headers.all("Record-Route")),
            local_seq=invite.cseq,
            remote_seq=invite.cseq,
        )

    def request(self, method: str, *, seq: int | None = None) -> Request:
        """The next request; ACK passes the CSeq number of its INVITE as ``seq`` (§12.2.1.1)."""
        if seq is None:
            self.local_seq += 1
            seq = self.local_seq
        uri, routes = self.remote_target, list(self.routes)
        if routes and not SipUri.parse(NameAddr.parse(routes[0]).uri).has_param("lr"):
            # A strict router finds its own address in the Request-URI and the target at the end.
            uri = SipUri.parse(NameAddr.parse(routes[0]).uri).bare()
            routes = [*routes[1:], f"<{self.remote_target}>"]
        headers = Headers([("Max-Forwards", "70")])
        for route in routes:
            headers.add("Route", route)
        headers.add("From", str(self.local))
        headers.add("To", str(self.remote))
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{seq} {method}")
        return Request(method, uri, headers=headers)

    @property
    def next_hop(self) -> Address:
        """First route, or else the remote target.

        Raises:
            SipParseError: If it is no IPv4 address.
        """
        uri = NameAddr.parse(self.routes[0]).uri if self.routes else self.remote_target
        return SipUri.parse(uri).address

    def refusal(self, request: Request) -> tuple[int, str] | None:
        """Why a request of the far end is not of this dialogue: 481 or 500; None if all is well.

        A number taken once counts as used, so a repeated one is refused as well.
        """
        if request.from_tag != self.remote.tag or request.to_tag != self.local.tag:
            return 481, "Call/Transaction Does Not Exist"
        if self.remote_seq is not None and request.cseq <= self.remote_seq:
            return 500, "CSeq Out Of Order"
        self.remote_seq = request.cseq
        return None

    def refresh_target(self, message: Request | Response) -> None:
        """Take over the Contact of a re-INVITE, an UPDATE or their 2xx (§12.2)."""
        self.remote_target = _contact(message) or self.remote_target


def _contact(message: Request | Response) -> str:
    contact = message.headers.get("Contact")
    return NameAddr.parse(contact).uri if contact else ""
