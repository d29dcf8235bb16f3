"""Requests that belong to no call yet: new calls, CANCEL, OPTIONS, and what has no place."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from loguru import logger

from local.sip.call import SipCall
from local.sip.dialog import Dialog
from local.sip.digest import DigestServer
from local.sip.errors import SipCallError, SipParseError
from local.sip.incoming import IncomingInvite
from local.sip.message import Request
from local.sip.offer_answer import OfferAnswer
from local.sip.rtp_session import RtpSession
from local.sip.transaction_layer import ServerTransaction
from local.sip.uri import SipUri, user_of

if TYPE_CHECKING:
    from local.sip.endpoint import SipEndpoint


class Reception:
    """Gives every request of the outside its call or its answer.

    Args:
        endpoint: Whose requests.
        on_invite: Handles a new call; without it calls get 404.
        digest: Challenges every INVITE; None lets all in.
    """

    def __init__(
        self,
        endpoint: "SipEndpoint",
        on_invite: Callable[[SipCall], Awaitable[None]] | None,
        digest: DigestServer | None,
    ):
        self._endpoint, self._on_invite, self._digest = endpoint, on_invite, digest

    def receive(self, request: Request, transaction: ServerTransaction | None) -> None:
        """Take a new request, or the ACK of a 2xx, which has no transaction."""
        endpoint = self._endpoint
        call = endpoint.call_of(request)
        if call and call.leg:
            call.leg.receive(request, transaction)
        elif transaction is None:
            return
        elif call and call.incoming and request.method == "BYE":
            # The caller leaves a call that was never answered, without a CANCEL (§15).
            self._reply(transaction, 200, "OK")
            call.incoming.cancelled(request)
        elif request.method == "CANCEL":
            self._cancel(request, transaction)
        elif request.to_tag:
            self._reply(transaction, 481, "Call/Transaction Does Not Exist")
        elif request.method == "OPTIONS":
            phrase = "OK" if endpoint.options_status == 200 else "Service Unavailable"
            extra = {"Accept": "application/sdp", "Allow": endpoint.behaviour.allowed}
            self._reply(transaction, endpoint.options_status, phrase, extra)
        elif request.method == "INVITE":
            self._invite(request, transaction)
        elif request.method == "REGISTER" and endpoint.on_register:
            endpoint.on_register(request, transaction)
        else:
            allow = {"Allow": endpoint.behaviour.allowed}
            self._reply(transaction, 405, "Method Not Allowed", allow)

    def _cancel(self, cancel: Request, transaction: ServerTransaction) -> None:
        invite = self._endpoint.transactions.invite_of(cancel)
        incoming = next(
            (
                call.incoming
                for call in self._endpoint.known_calls
                if call.incoming and call.incoming.is_of(invite)
            ),
            None,
        )
        if incoming is None:
            self._reply(transaction, 481, "Call/Transaction Does Not Exist")
        elif not incoming.abandoned:
            transaction.respond(self._endpoint.response(cancel, 200, "OK", tag=incoming.tag))
            incoming.cancelled(cancel)

    def _invite(self, invite: Request, transaction: ServerTransaction) -> None:
        if self._endpoint.closing:
            self._reply(transaction, 503, "Service Unavailable")
        elif self._on_invite is None:
            self._reply(transaction, 404, "Not Found")
        elif "Require" in invite.headers:
            # No extension is spoken here: not 100rel, not timer.
            unsupported = {"Unsupported": ", ".join(invite.headers.all("Require"))}
            self._reply(transaction, 420, "Bad Extension", unsupported)
        elif self._merged(invite):
            self._reply(transaction, 482, "Loop Detected")
        else:
            try:
                call, incoming = self._new_call(invite, transaction)
            except SipParseError as e:
                logger.debug(f"INVITE from {transaction.source[0]} is no good: {e}")
                self._reply(transaction, 400, "Bad Request")
                return
            incoming.trying()
            if self._digest is None or call.authorized(self._digest):
                self._endpoint.spawn(self._handle(call, self._on_invite))

    def _new_call(
        self, invite: Request, transaction: ServerTransaction
    ) -> tuple[SipCall, IncomingInvite]:
        endpoint, tag = self._endpoint, self._endpoint.behaviour.new_tag()
        from_user, to_user = user_of(invite.headers.get("From")), SipUri.parse(invite.uri).user
        # A Contact or route that cannot be reached is refused now and not at the BYE.
        _ = Dialog.of_callee(invite, tag).next_hop
        call = SipCall(
            endpoint,
            RtpSession(endpoint.address[0], endpoint.behaviour.rtp),
            direction="in",
            call_id=invite.call_id,
            local_tag=tag,
            from_user=from_user,
            to_user=to_user,
            headers=invite.headers,
        )
        call.source = transaction.source
        behaviour = endpoint.behaviour
        descriptions = OfferAnswer(
            call.media, endpoint.host, transaction.source[0], behaviour, behaviour.codecs
        )
        incoming = IncomingInvite(call, endpoint, transaction, descriptions, tag)
        call.incoming = incoming
        endpoint.began(call)
        return call, incoming

    def _merged(self, invite: Request) -> bool:
        """Whether the same INVITE came by another way already (RFC 3261 §8.2.2.2)."""
        key = invite.call_id, invite.from_tag, invite.cseq
        earlier = [call.incoming.request for call in self._endpoint.known_calls if call.incoming]
        return key in [(other.call_id, other.from_tag, other.cseq) for other in earlier]

    async def _handle(self, call: SipCall, on_invite: Callable[[SipCall], Awaitable[None]]) -> None:
        try:
            await on_invite(call)
        except SipCallError as e:
            # The caller left, or cannot be understood: the call is over or ends here.
            logger.info(f"{call}: not taken, {e}")
            await call.hangup()
        except Exception as e:
            # The border of a call: its handler's fault ends this call and no other.
            logger.exception(f"{call}: the handler failed, {e!r}")
            call.reject(500, "Server Internal Error")
            await call.hangup(cause=41)

    def _reply(
        self,
        transaction: ServerTransaction,
        status: int,
        phrase: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        response = self._endpoint.response(
            transaction.request, status, phrase, headers=headers or {}
        )
        transaction.respond(response)
