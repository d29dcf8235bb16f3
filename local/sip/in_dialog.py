"""Everything that happens inside an answered call's dialogue: own requests and the far end's."""

import asyncio
import random
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from local.sip.call_end import CallEnd, cause_of
from local.sip.dialog import Dialog
from local.sip.digest import DigestClient
from local.sip.errors import SipCallError, SipParseError
from local.sip.message import Request, Response
from local.sip.offer_answer import OfferAnswer, has_offer
from local.sip.transaction_layer import ServerTransaction
from local.sip.unacknowledged import UnacknowledgedOks

if TYPE_CHECKING:
    from local.sip.call import SipCall
    from local.sip.endpoint import SipEndpoint

_GLARE_TRIES = 3


class InDialog:
    """The signalling of one confirmed dialogue.

    Args:
        call: Told of what the far end does.
        endpoint: Sends and receives.
        dialog: Tags, routes, numbers.
        descriptions: Offer/answer of the call's audio.
        digest: Credentials for challenges, if the call has any.
        dialled: Whether this end placed the call and so owns the Call-ID.

    Parameters:
        unacknowledged: Own 200s that wait for their ACK.
    """

    def __init__(
        self,
        call: "SipCall",
        endpoint: "SipEndpoint",
        dialog: Dialog,
        descriptions: OfferAnswer,
        *,
        digest: DigestClient | None,
        dialled: bool,
    ):
        self.dialog, self.descriptions = dialog, descriptions
        self.unacknowledged = UnacknowledgedOks(endpoint)
        self._call, self._endpoint = call, endpoint
        self._digest, self._dialled = digest, dialled
        self._acks: dict[int, Request] = {}
        self._offering = False

    async def request(
        self,
        method: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> Response:
        """Send a request, answer a challenge, and wait for the final response.

        Raises:
            SipCallError: 408 when nobody answers.
        """
        while True:
            request = self.dialog.request(method)
            if method in ("INVITE", "UPDATE", "REFER", "NOTIFY"):
                request.headers.add("Contact", self._endpoint.contact)
            if method in ("INVITE", "UPDATE", "REFER"):
                request.headers.add("Allow", self._endpoint.behaviour.allowed)
            request.headers.extend(headers or {})
            if body:
                request.headers.add("Content-Type", content_type)
                request.body = body
            if self._digest and (pair := self._digest.authorization(method, request.uri)):
                request.headers.add(*pair)
            try:
                response = await self._exchange(request)
            except SipCallError:
                if method != "BYE":
                    self._call.hang_up_soon(102, f"{method} was not answered")
                raise
            challenged = response.status in (401, 407) and self._digest
            if not (challenged and self._digest and self._digest.accept_challenge(response)):
                break
        if self._digest and response.status < 300:
            self._digest.accepted()
        if response.status == 481 and method != "BYE":
            self._call.finish(CallEnd("remote", None, f"{method}: call does not exist"))
        elif response.status == 408 and method != "BYE":
            self._call.hang_up_soon(102, f"{method} was not answered")
        return response

    async def change_media(self, *, hold: bool, update: bool = False) -> None:
        """Put the far end on hold or take it back, by re-INVITE or UPDATE.

        Raises:
            SipCallError: If the far end refuses; the line then stays as it was.
        """
        if self._offering:
            raise SipCallError(491, "Request Pending")
        before, tries = self.descriptions.hold, 1
        try:
            response = await self._offer(hold, update)
            while response.status == 491 and tries < _GLARE_TRIES:
                # RFC 3261 §14.1: the owner of the Call-ID waits longer.
                low, high = (2.1, 4.0) if self._dialled else (0.0, 2.0)
                await asyncio.sleep(random.uniform(low, high))
                response, tries = await self._offer(hold, update), tries + 1
            if response.status >= 300:
                raise SipCallError(response.status, response.phrase)
            self.dialog.refresh_target(response)
            self.descriptions.take_answer(response.body)
        except SipParseError as e:
            self.descriptions.hold = before
            raise SipCallError(488, str(e)) from e
        except SipCallError:
            self.descriptions.hold = before
            raise

    async def bye(self, headers: Mapping[str, str]) -> Response:
        """End the dialogue; waits for the ACK of an own 200 first (RFC 3261 §15).

        Raises:
            SipCallError: 408 when nobody answers.
        """
        await self.unacknowledged.first_acknowledged.wait()
        return await self.request("BYE", headers)

    def acknowledge(self, invite: Request) -> None:
        """Send the ACK of a 2xx; a repeated 2xx gets the same one again (§13.2.2.4)."""
        ack = self._acks.get(invite.cseq)
        address = self.dialog.next_hop
        if ack is None:
            ack = self.dialog.request("ACK", seq=invite.cseq)
            for name in ("Authorization", "Proxy-Authorization"):
                for value in invite.headers.all(name):
                    ack.headers.add(name, value)
            self._endpoint.transactions.add_via(ack)
            self._acks = {invite.cseq: ack}
        self._endpoint.send(ack, address)

    def receive(self, request: Request, transaction: ServerTransaction | None) -> None:
        """Take a request of the far end."""
        if request.method == "ACK" or transaction is None:
            self._ack(request)
            return
        refusal = self.dialog.refusal(request)
        if refusal:
            self.reply(transaction, *refusal)
        elif request.method in self._endpoint.behaviour.unsupported:
            self.reply(transaction, 405, "Method Not Allowed")
        elif request.method == "BYE":
            self.reply(transaction, 200, "OK")
            self._call.finish(CallEnd("remote", None, "BYE", cause_of(request)))
        elif self._call.state == "ended":
            self.reply(transaction, 481, "Call/Transaction Does Not Exist")
        elif request.method in ("INVITE", "UPDATE"):
            self._take_offer(request, transaction)
        elif request.method == "INFO":
            self._info(request, transaction)
        elif request.method == "OPTIONS":
            self.reply(transaction, 200, "OK")
        elif request.method in ("REFER", "NOTIFY"):
            self._call.transfers.receive(request, transaction)
        else:
            self.reply(transaction, 405, "Method Not Allowed")

    def reply(
        self,
        transaction: ServerTransaction,
        status: int,
        phrase: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        """Answer a request of the far end."""
        extra = dict(headers or {})
        if status == 405 or transaction.request.method == "OPTIONS":
            extra.setdefault("Allow", self._endpoint.behaviour.allowed)
        response = self._endpoint.response(
            transaction.request, status, phrase, headers=extra, body=body
        )
        transaction.respond(response)
        return response

    async def _exchange(self, request: Request) -> Response:
        done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def on_response(response: Response) -> None:
            if request.method == "INVITE" and 200 <= response.status < 300:
                self.acknowledge(request)
            if response.status >= 200 and not done.done():
                done.set_result(response)

        def on_expired() -> None:
            if not done.done():
                done.set_exception(SipCallError(408, f"{request.method} was not answered"))

        try:
            address = self.dialog.next_hop
        except SipParseError as e:
            raise SipCallError(503, str(e)) from e
        self._endpoint.transactions.request(request, address, on_response, on_expired)
        return await done

    async def _offer(self, hold: bool, update: bool) -> Response:
        self._offering = True
        try:
            body = self.descriptions.offer(hold=hold)
            return await self.request("UPDATE" if update else "INVITE", body=body)
        finally:
            self._offering = False

    def _ack(self, request: Request) -> None:
        answer = self.unacknowledged.acknowledge(request)
        if answer is not None:
            try:
                self.descriptions.take_answer(answer)
            except SipParseError as e:
                self._call.hang_up_soon(88, f"no usable answer in the ACK: {e}")

    def _take_offer(self, request: Request, transaction: ServerTransaction) -> None:
        if self._offering:
            self.reply(transaction, 491, "Request Pending")
            return
        body, offered = b"", False
        try:
            if has_offer(request.body, request.headers.get("Content-Type")):
                body = self.descriptions.answer(request.body)
            elif request.method == "INVITE":
                body, offered = self.descriptions.offer(), True
        except SipParseError:
            self.reply(transaction, 488, "Not Acceptable Here")
            return
        self.dialog.refresh_target(request)
        contact = {"Contact": self._endpoint.contact}
        response = self.reply(transaction, 200, "OK", contact, body)
        if request.method == "INVITE":
            address, lost = request.via.reply_address, self._call.unacknowledged
            self.unacknowledged.repeat(response, address, lost, first=False, expects_answer=offered)
        self._call.media_changed()

    def _info(self, request: Request, transaction: ServerTransaction) -> None:
        self.reply(transaction, 200, "OK")
        relay = request.headers.get("Content-Type").lower().startswith("application/dtmf-relay")
        match = re.search(rb"Signal\s*=\s*([0-9A-D*#])", request.body, re.I)
        if relay and match and self._call.media.on_digit:
            self._call.media.on_digit(match[1].decode().upper())
