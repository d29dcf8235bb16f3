"""Blind transfer: REFER and the NOTIFYs that report on it, both sides (RFC 3515, 3420, 3892)."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loguru import logger

from local.sip.call_end import CallEnd
from local.sip.errors import SipCallError, SipParseError
from local.sip.in_dialog import InDialog
from local.sip.message import Request
from local.sip.transaction_layer import ServerTransaction
from local.sip.uri import NameAddr, SipUri

if TYPE_CHECKING:
    from local.sip.call import SipCall

_SIPFRAG = "message/sipfrag;version=2.0"
_TRANSFER_HEADERS = {"from", "to", "call-id", "cseq", "via", "contact", "content-length", "route"}


@dataclass(frozen=True)
class ReferRequest:
    """What a REFER asks for.

    Parameters:
        uri: Whom to call; a ``tel:`` number is turned towards the same next hop.
        headers: For the new INVITE: those of the Refer-To URI, and Referred-By.
    """

    uri: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class ReferResult:
    """What became of an own REFER.

    Parameters:
        outcome: ``succeeded`` (a 2xx was notified, or the far end left before), ``failed`` (another
            final status was notified), ``refused`` (the REFER itself), ``unknown`` (nothing final
            in time).
        status: The SIP status behind it; 0 when unknown.
        phrase: Its phrase.
    """

    outcome: Literal["succeeded", "failed", "refused", "unknown"]
    status: int
    phrase: str = ""


def parse_refer(request: Request, next_hop: tuple[str, int]) -> ReferRequest:
    """Read a REFER.

    Raises:
        SipParseError: If it has not exactly one Refer-To with a URI that can be called.
    """
    values = request.headers.all("Refer-To")
    if len(values) != 1:
        raise SipParseError("a REFER has exactly one Refer-To")
    uri = SipUri.parse(NameAddr.parse(values[0]).uri)
    headers = {k: v for k, v in uri.headers if k.lower() not in _TRANSFER_HEADERS}
    referred_by = request.headers.get("Referred-By")
    if referred_by:
        headers["Referred-By"] = referred_by
    if uri.scheme == "tel":
        return ReferRequest(f"sip:{uri.user}@{next_hop[0]}:{next_hop[1]}", headers)
    return ReferRequest(uri.bare(), headers)


class Transfers:
    """The REFERs of one call, own and the far end's."""

    def __init__(self, call: "SipCall"):
        self._call = call
        self._referred_before = False
        self._pending: asyncio.Future[ReferResult] | None = None
        self._sent_any = False

    async def refer(
        self, leg: InDialog, uri: str, headers: Mapping[str, str], timeout_secs: float
    ) -> ReferResult:
        """Send a REFER and wait for its final NOTIFY.

        Raises:
            SipCallError: 491 while another one is pending, 408 when nobody answers.
        """
        if self._pending and not self._pending.done():
            raise SipCallError(491, "Request Pending")
        self._sent_any = True
        pending = self._pending = asyncio.get_running_loop().create_future()
        fields = {"Refer-To": uri if uri.startswith("tel:") else f"<{uri}>"}
        if self._call.endpoint.behaviour.referred_by:
            fields["Referred-By"] = f"<{leg.dialog.local.uri}>"
        try:
            async with asyncio.timeout(timeout_secs):
                response = await leg.request("REFER", fields | dict(headers))
                if response.status >= 300:
                    return ReferResult("refused", response.status, response.phrase)
                return await asyncio.shield(pending)
        except TimeoutError:
            return ReferResult("unknown", 0, "no final NOTIFY")
        finally:
            pending.cancel()

    def ended(self) -> None:
        """The call is over: who leaves before the final NOTIFY went where he was sent."""
        self._resolve(ReferResult("succeeded", 200, "call ended"))

    def receive(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a REFER or NOTIFY of the far end."""
        leg = self._call.leg
        if leg is None:
            return
        if request.method == "REFER":
            self._take_refer(leg, request, transaction)
        elif not self._sent_any:
            leg.reply(transaction, 481, "Subscription Does Not Exist")
        else:
            leg.reply(transaction, 200, "OK")
            self._take_notify(request)

    def _take_notify(self, request: Request) -> None:
        match = re.match(rb"SIP/2\.0 (\d{3}) ?([^\r\n]*)", request.body.lstrip())
        if match and int(match[1]) >= 200:
            status, phrase = int(match[1]), match[2].decode("utf-8", "replace")
            outcome = "succeeded" if status < 300 else "failed"
            self._resolve(ReferResult(outcome, status, phrase))
        elif request.headers.get("Subscription-State").lower().startswith("terminated"):
            self._resolve(ReferResult("unknown", 0, "subscription ended"))

    def _resolve(self, result: ReferResult) -> None:
        if self._pending and not self._pending.done():
            self._pending.set_result(result)

    def _take_refer(self, leg: InDialog, request: Request, transaction: ServerTransaction) -> None:
        try:
            refer = parse_refer(request, leg.dialog.next_hop)
            placed = self._call.on_refer(self._call, refer)
        except ValueError as e:
            # No URI, one that cannot be called, or headers in it that would break the INVITE.
            logger.debug(f"{self._call}: REFER is no good, {e}")
            leg.reply(transaction, 400, "Bad Refer-To")
            return
        except SipCallError as e:
            leg.reply(transaction, e.status or 603, e.phrase)
            return
        leg.reply(transaction, 202, "Accepted", {"Contact": self._call.contact})
        self._call.transferred_to = placed
        # From the second REFER on, the event names which one it reports on (RFC 3515 §2.4.6).
        event = f"refer;id={request.cseq}" if self._referred_before else "refer"
        self._referred_before = True
        self._call.spawn(self._report(leg, event, placed))

    async def _report(self, leg: InDialog, event: str, placed: "SipCall") -> None:
        try:
            await self._notify(leg, event, 100, "Trying", final=False)
            try:
                await placed.wait_ringing()
                if placed.state == "ringing":
                    await self._notify(leg, event, 180, "Ringing", final=False)
                await placed.wait_answered()
            except SipCallError as e:
                await self._notify(leg, event, e.status or 487, e.phrase, final=True)
            else:
                await self._notify(leg, event, 200, "OK", final=True)
        except SipCallError as e:
            # The referrer is gone; the new call stands by itself.
            logger.debug(f"{self._call}: transfer report not delivered, {e}")

    async def _notify(
        self, leg: InDialog, event: str, status: int, phrase: str, *, final: bool
    ) -> None:
        end: CallEnd | None = self._call.end
        if end is not None:
            return
        state = "terminated;reason=noresource" if final else "active;expires=60"
        headers = {"Event": event, "Subscription-State": state}
        body = f"SIP/2.0 {status} {phrase}\r\n".encode()
        await leg.request("NOTIFY", headers, body, _SIPFRAG)
