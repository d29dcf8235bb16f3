"""An INVITE on its way out: challenges, provisional responses, CANCEL and what crosses it."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.sip.call_end import CallEnd
from local.sip.dialog import Dialog
from local.sip.digest import DigestClient
from local.sip.errors import SipCallError, SipParseError
from local.sip.headers import Headers
from local.sip.in_dialog import InDialog
from local.sip.invite_transactions import cancel_for
from local.sip.message import Request, Response
from local.sip.offer_answer import OfferAnswer
from local.sip.transaction_layer import ClientTransaction
from local.sip.uri import Address, NameAddr, SipUri

if TYPE_CHECKING:
    from local.sip.call import SipCall
    from local.sip.endpoint import SipEndpoint


class OutgoingInvite:
    """Places one call.

    Parameters:
        settled: Set once no more of it will come.
    """

    def __init__(
        self,
        call: "SipCall",
        endpoint: "SipEndpoint",
        invite: Request,
        address: Address,
        descriptions: OfferAnswer,
        *,
        digest: DigestClient | None,
        ring_secs: float,
    ):
        self.settled = asyncio.Event()
        self._call, self._endpoint = call, endpoint
        self._template, self._address = invite, address
        self._descriptions, self._digest = descriptions, digest
        self._ring_secs = ring_secs
        self._ring_timer: asyncio.TimerHandle | None = None
        self._transaction: ClientTransaction | None = None
        self._invite = invite
        self._provisional = False
        self._cancel_headers: dict[str, str] | None = None
        self._leg: InDialog | None = None

    def start(self) -> None:
        """Send the INVITE with the offer."""
        self._template.headers.set("Content-Type", "application/sdp")
        self._template.body = self._descriptions.offer()
        loop = asyncio.get_running_loop()
        self._ring_timer = loop.call_later(self._ring_secs, self._rang_too_long)
        self._send(self._template.cseq)

    def cancel(self, headers: Mapping[str, str]) -> None:
        """Take the call back; the CANCEL waits for a provisional response (RFC 3261 §9.1)."""
        if self._cancel_headers is not None or self.settled.is_set():
            return
        self._cancel_headers = dict(headers)
        if self._provisional:
            self._send_cancel()

    def _send(self, seq: int) -> None:
        invite = Request("INVITE", self._template.uri, headers=self._template.headers.copy())
        invite.body = self._template.body
        invite.headers.set("CSeq", f"{seq} INVITE")
        if self._digest and (pair := self._digest.authorization("INVITE", invite.uri)):
            invite.headers.add(*pair)
        self._invite, self._provisional = invite, False

        def on_response(response: Response) -> None:
            self._receive(invite, response)

        transactions = self._endpoint.transactions
        self._transaction = transactions.request(invite, self._address, on_response, self._expired)

    def _receive(self, invite: Request, response: Response) -> None:
        if response.status < 200:
            self._take_provisional(response)
        elif response.status < 300:
            self._take_ok(invite, response)
        elif self._retry(response):
            self._send(self._invite.cseq + 1)
        else:
            self._settle()
            self._call.finish(CallEnd("remote", response.status, response.phrase))

    def _take_provisional(self, response: Response) -> None:
        first, self._provisional = not self._provisional, True
        if first and self._cancel_headers is not None:
            self._send_cancel()
        if response.body and self._cancel_headers is None:
            # Early media that cannot be heard is no failure: the 200 decides.
            with contextlib.suppress(SipParseError):
                self._descriptions.take_answer(response.body)
        if response.status > 100:
            self._call.rang(response)

    def _take_ok(self, invite: Request, response: Response) -> None:
        if self._leg and self._leg.dialog.remote.tag == response.to_tag:
            self._leg.acknowledge(invite)
            return
        if self._digest:
            self._digest.accepted()
        leg = InDialog(
            self._call,
            self._endpoint,
            Dialog.of_caller(invite, response),
            self._descriptions,
            digest=self._digest,
            dialled=True,
        )
        try:
            leg.acknowledge(invite)
        except SipParseError as e:
            self._settle()
            self._call.finish(CallEnd("remote", 503, f"unusable Contact or route: {e}"))
            return
        if self._leg is not None or self._cancel_headers is not None or self._call.end:
            # Another branch answered as well, or the 200 crossed the CANCEL.
            self._call.spawn(self._leave(leg))
            self._leg = self._leg or leg
            self._settle()
            return
        self._leg = leg
        self._settle()
        try:
            self._descriptions.take_answer(response.body)
        except SipParseError as e:
            self._call.finish(CallEnd("local", 488, f"no usable answer: {e}", 88))
            self._call.spawn(self._leave(leg, cause=88))
            return
        self._call.answered_by(leg, response)

    async def _leave(self, leg: InDialog, cause: int = 16) -> None:
        try:
            await leg.bye({"Reason": f"Q.850;cause={cause}"})
        except SipCallError:
            # Nobody there any more is what was wanted.
            return

    def _retry(self, response: Response) -> bool:
        wanted = response.status in (401, 407) and self._cancel_headers is None
        return wanted and self._digest is not None and self._digest.accept_challenge(response)

    def _send_cancel(self) -> None:
        cancel = cancel_for(self._invite)
        cancel.headers.extend(self._cancel_headers or {})
        transactions = self._endpoint.transactions
        transactions.request(cancel, self._address, lambda response: None, lambda: None)
        if self._transaction:
            self._transaction.cancelled()

    def _rang_too_long(self) -> None:
        self.cancel({})
        self._call.finish(CallEnd("timeout", 408, "nobody answered"))

    def _expired(self) -> None:
        self._settle()
        self._call.finish(CallEnd("timeout", 408, "no response to the INVITE"))

    def _settle(self) -> None:
        if self._ring_timer:
            self._ring_timer.cancel()
        self.settled.set()


def build_invite(
    endpoint: "SipEndpoint",
    uri: str,
    *,
    from_user: str,
    display_name: str,
    headers: Mapping[str, str],
    tag: str = "",
    from_host: str = "",
) -> Request:
    """The INVITE of a new call, without body and Via."""
    here = (endpoint.host, endpoint.address[1])
    own = SipUri(from_user, *((from_host, None) if from_host else here)).bare()
    caller = NameAddr(own, display_name).with_tag(tag or secrets.token_hex(6))
    fields = Headers([("Max-Forwards", "70")])
    fields.add("From", str(caller))
    fields.add("To", f"<{uri}>")
    fields.add("Call-ID", f"{secrets.token_hex(12)}@{endpoint.host}")
    fields.add("CSeq", "1 INVITE")
    fields.add("Contact", endpoint.contact)
    fields.add("Allow", endpoint.behaviour.allowed)
    if endpoint.user_agent:
        fields.add("User-Agent", endpoint.user_agent)
    fields.extend(headers)
    return Request("INVITE", uri, headers=fields)
