"""An INVITE that came: what the callee says to it until the dialogue stands."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.sip.call_end import CallEnd, cause_of
from local.sip.dialog import Dialog
from local.sip.digest import DigestServer
from local.sip.errors import SipCallError, SipParseError
from local.sip.in_dialog import InDialog
from local.sip.message import Request, Response
from local.sip.offer_answer import OfferAnswer, has_offer
from local.sip.transaction_layer import ServerTransaction

if TYPE_CHECKING:
    from local.sip.call import SipCall
    from local.sip.endpoint import SipEndpoint


class IncomingInvite:
    """Answers one INVITE.

    Parameters:
        tag: Own dialogue tag.
        abandoned: Whether nothing more is said to the caller.
    """

    def __init__(
        self,
        call: "SipCall",
        endpoint: "SipEndpoint",
        transaction: ServerTransaction,
        descriptions: OfferAnswer,
        tag: str,
    ):
        self._call, self._endpoint = call, endpoint
        self._transaction, self._descriptions = transaction, descriptions
        self.abandoned = False
        self.tag = tag
        self._ring_timer: asyncio.TimerHandle | None = None

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self._transaction.request

    def trying(self) -> None:
        """Send the 100 at once, so that the caller stops repeating."""
        behaviour = self._endpoint.behaviour
        self.progress(100, behaviour.trying, tagged=behaviour.trying_tag)

    def progress(
        self,
        status: int,
        phrase: str,
        headers: Mapping[str, str] | None = None,
        *,
        tagged: bool = True,
    ) -> None:
        """Send a provisional response."""
        extra = {"Allow": self._endpoint.behaviour.allowed, **(headers or {})}
        if status > 100:
            extra = {"Contact": self._endpoint.contact, **extra}
        self._respond(status, phrase, extra, tagged=tagged)

    def ringing(self, headers: Mapping[str, str] | None = None) -> None:
        """Send 180, again each ``ring_every_secs`` if the behaviour says so."""
        self.progress(180, "Ringing", headers)
        every_secs = self._endpoint.behaviour.ring_every_secs
        if every_secs is not None:
            loop = asyncio.get_running_loop()
            self._stop_ringing()
            self._ring_timer = loop.call_later(every_secs, self.ringing, headers)

    def answer(self, headers: Mapping[str, str]) -> InDialog:
        """Send 200 with the SDP, and repeat it until the ACK.

        Raises:
            SipCallError: If there is no common codec; the caller has been told.
        """
        self._stop_ringing()
        request = self.request
        try:
            offered = has_offer(request.body, request.headers.get("Content-Type"))
            if not offered and not self._endpoint.behaviour.offerless:
                raise SipParseError("INVITE without SDP")
            body = (
                self._descriptions.answer(request.body) if offered else self._descriptions.offer()
            )
        except SipParseError as e:
            status, phrase = self._endpoint.behaviour.no_codec
            self._respond(status, phrase)
            self._call.finish(CallEnd("local", status, str(e)))
            raise SipCallError(status, str(e)) from e
        leg = InDialog(
            self._call,
            self._endpoint,
            Dialog.of_callee(request, self.tag),
            self._descriptions,
            digest=None,
            dialled=False,
        )
        extra = {"Contact": self._endpoint.contact, **headers}
        response = self._respond(200, "OK", extra, body)
        address, lost = request.via.reply_address, self._call.unacknowledged
        leg.unacknowledged.repeat(response, address, lost, first=True, expects_answer=not offered)
        return leg

    def reject(self, status: int, phrase: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a final failure; it is repeated until the ACK."""
        self._stop_ringing()
        self._respond(status, phrase, headers)

    def authorized(self, server: DigestServer, now: float) -> bool:
        """Whether the caller knows a password; if not, the challenge or refusal has been sent."""
        behaviour = self._endpoint.behaviour
        proxy = behaviour.digest_status == 407
        name = "Proxy-Authorization" if proxy else "Authorization"
        verdict = server.check(self.request.headers.get(name), "INVITE", self.request.uri, now)
        if verdict == "accepted":
            return True
        if verdict == "refused" and behaviour.digest_refusal:
            status, phrase = behaviour.digest_refusal
            self.reject(status, phrase)
        else:
            status, phrase = behaviour.digest_status, behaviour.digest_phrase
            challenge = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
            values = server.challenges(now, stale=verdict == "stale")
            self._stop_ringing()
            self._respond(status, phrase, [(challenge, value) for value in values])
        self._call.finish(CallEnd("local", status, phrase))
        return False

    def cancelled(self, cancel: Request) -> None:
        """The caller took the call back: 487 to the INVITE."""
        if self._transaction.answered:
            return
        self.reject(487, "Request Terminated")
        self._call.finish(CallEnd("remote", 487, "cancelled", cause_of(cancel)))

    def abandon(self) -> None:
        """Say nothing more, not even to a CANCEL."""
        self.abandoned = True
        self._stop_ringing()
        self._transaction.abandon()

    def is_of(self, transaction: ServerTransaction | None) -> bool:
        """Whether this is the INVITE of a transaction."""
        return self._transaction is transaction

    def _respond(
        self,
        status: int,
        phrase: str,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        body: bytes = b"",
        *,
        tagged: bool = True,
    ) -> Response:
        tag = self.tag if tagged else ""
        response = self._endpoint.response(
            self.request, status, phrase, tag=tag, headers=headers or {}, body=body
        )
        self._transaction.respond(response)
        return response

    def _stop_ringing(self) -> None:
        if self._ring_timer:
            self._ring_timer.cancel()
            self._ring_timer = None
