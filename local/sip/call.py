"""One phone call, placed or received."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Literal

from local.sip.call_end import CallEnd, CallState, reason_header
from local.sip.digest import DigestServer
from local.sip.errors import SipCallError
from local.sip.headers import Headers
from local.sip.in_dialog import InDialog
from local.sip.incoming import IncomingInvite
from local.sip.message import Response
from local.sip.outgoing import OutgoingInvite
from local.sip.refer import ReferRequest, ReferResult, Transfers
from local.sip.rtp_session import RtpSession
from local.sip.uri import Address

if TYPE_CHECKING:
    from local.sip.endpoint import SipEndpoint

_GOODBYE_SECS = 2.0


class SipCall:
    """A call as its user sees it; ``SipEndpoint`` makes them.

    Parameters:
        direction: ``out`` for a call placed here.
        call_id: SIP Call-ID.
        local_tag: Own dialogue tag.
        from_user: Who calls: user part of From.
        to_user: Who is called: user part of the Request-URI.
        headers: Of the INVITE.
        source: Where its INVITE came from or went to.
        state: ``calling``, ``ringing``, ``answered``, ``ended``.
        end: How it ended; None before.
        media: Its audio.
        answered_at: Monotonic time of the 200; None before.
        answer_headers: Of the 200 that answered a call placed here.
        on_change: Called at every change of state.
        on_media_change: Called when the far end changed the audio: hold, resume, another address.
        on_refer: Called with a REFER received; gives the call it places, or raises
            ``SipCallError`` to refuse.
        transferred_to: The call placed for the last REFER.
    """

    def __init__(
        self,
        endpoint: "SipEndpoint",
        media: RtpSession,
        *,
        direction: Literal["in", "out"],
        call_id: str,
        local_tag: str,
        from_user: str,
        to_user: str,
        headers: Headers,
    ):
        self.direction: Literal["in", "out"] = direction
        self.call_id, self.local_tag, self.headers = call_id, local_tag, headers
        self.from_user, self.to_user = from_user, to_user
        self.media = media
        self.state: CallState = "calling"
        self.end: CallEnd | None = None
        self.source: Address = ("", 0)
        self.answered_at: float | None = None
        self.answer_headers = Headers()
        self.on_change: Callable[[SipCall], None] | None = None
        self.on_media_change: Callable[[SipCall], None] | None = None
        self.on_refer: Callable[[SipCall, ReferRequest], SipCall] = _carry_out
        self.transferred_to: SipCall | None = None
        self.transfers = Transfers(self)
        self.leg: InDialog | None = None
        self.outgoing: OutgoingInvite | None = None
        self.incoming: IncomingInvite | None = None
        self._endpoint = endpoint
        self._rang, self._answered, self._ended = (asyncio.Event() for _ in range(3))
        media.on_timeout = self._media_lost

    def __str__(self) -> str:
        return f"SipCall({self.call_id[:12]})"

    @property
    def endpoint(self) -> "SipEndpoint":
        """Where it lives."""
        return self._endpoint

    @property
    def contact(self) -> str:
        """Own Contact."""
        return self._endpoint.contact

    def ringing(self, headers: Mapping[str, str] | None = None) -> None:
        """Tell the caller that it rings: 180."""
        if self.incoming and self.state in ("calling", "ringing"):
            self.incoming.ringing(headers)
            self._change("ringing")

    def progress(self, status: int, phrase: str, headers: Mapping[str, str] | None = None) -> None:
        """Send another provisional response, such as 181 or 183."""
        if self.incoming and self.state in ("calling", "ringing"):
            self.incoming.progress(status, phrase, headers)

    async def answer(self, headers: Mapping[str, str] | None = None) -> None:
        """Take the call: 200 with the SDP.

        Args:
            headers: Extra headers of the 200.

        Raises:
            SipCallError: If it is over already, or there is no common codec.
        """
        if self.end:
            raise SipCallError(self.end.status or 0, self.end.phrase)
        if self.incoming and self.state != "answered":
            self.leg = self.incoming.answer(headers or {})
            self._answer_now()

    def reject(
        self,
        status: int = 486,
        phrase: str = "Busy Here",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Refuse the call with a status from 300 to 699."""
        if self.incoming and self.state in ("calling", "ringing"):
            self.incoming.reject(status, phrase, headers)
            self.finish(CallEnd("local", status, phrase))

    def authorized(self, users: DigestServer) -> bool:
        """Whether the caller knows a password of ``users``.

        If not, the call is over: the challenge or the refusal has been sent.
        """
        return self.incoming is not None and self.incoming.authorized(users, time.monotonic())

    def ignore(self) -> None:
        """Fall silent towards the caller: no further response, not even to a CANCEL."""
        if self.incoming and self.state in ("calling", "ringing"):
            self.incoming.abandon()
            self.finish(CallEnd("local", None, "ignored"))

    async def hangup(self, *, cause: int = 16, headers: Mapping[str, str] | None = None) -> None:
        """End the call by what its state asks for: BYE, CANCEL or 486. Safe to call twice.

        Returns once the far end has confirmed, or after 2 s; repeating goes on behind it.

        Args:
            cause: Q.850 cause for the Reason header; 0 sends none.
            headers: Extra headers.
        """
        if self.end:
            return
        extra = (reason_header(cause) if cause else {}) | dict(headers or {})
        leg, outgoing = self.leg, self.outgoing
        if leg:
            self.finish(CallEnd("local", None, "BYE", cause or None))
            await asyncio.wait([self.spawn(_goodbye(leg, extra))], timeout=_GOODBYE_SECS)
        elif outgoing:
            outgoing.cancel(extra)
            self.finish(CallEnd("local", 487, "cancelled", cause or None))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECS):
                    await outgoing.settled.wait()
        else:
            self.reject(headers=extra)

    async def wait_ringing(self) -> None:
        """Wait until it rings or is answered.

        Raises:
            SipCallError: If the call fails first.
        """
        await self._rang.wait()
        self._raise_if_failed()

    async def wait_answered(self) -> None:
        """Wait until it is answered.

        Raises:
            SipCallError: If the call fails first.
        """
        await self._answered.wait()
        self._raise_if_failed()

    async def wait_ended(self) -> CallEnd:
        """Wait until it is over."""
        await self._ended.wait()
        return self.end or CallEnd("local")

    async def hold(self, on: bool, *, update: bool = False) -> None:
        """Put the far end on hold, or take it back.

        Args:
            on: Hold or resume.
            update: By UPDATE in place of a re-INVITE.

        Raises:
            SipCallError: If the far end refuses, or the call is not up.
        """
        await self._up().change_media(hold=on, update=update)

    async def refer(
        self, to_uri: str, headers: Mapping[str, str] | None = None, *, timeout_secs: float = 60.0
    ) -> ReferResult:
        """Ask the far end to call somebody else; the call stays up until one side hangs up.

        Raises:
            SipCallError: If the call is not up, another transfer is pending, or nobody answers.
        """
        return await self.transfers.refer(self._up(), to_uri, headers or {}, timeout_secs)

    # What follows is for the legs and the endpoint.

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something that may outlive the call; the endpoint waits for it when it closes."""
        return self._endpoint.spawn(work)

    def rang(self, response: Response) -> None:
        """The far end sent 18x."""
        if self.state == "calling" and response.status in (180, 181, 182, 183):
            self._change("ringing")

    def answered_by(self, leg: InDialog, response: Response) -> None:
        """The far end answered."""
        self.leg, self.answer_headers = leg, response.headers
        self._answer_now()

    def media_changed(self) -> None:
        """The far end changed the audio."""
        if self.on_media_change:
            self.on_media_change(self)

    def unacknowledged(self) -> None:
        """No ACK came for a 200: the call cannot stand."""
        self.hang_up_soon(102, "no ACK")

    def hang_up_soon(self, cause: int, why: str) -> None:
        """End the call by BYE for a reason of our own."""
        if self.leg and not self.end:
            leg = self.leg
            self.finish(CallEnd("timeout", None, why, cause))
            self.spawn(_goodbye(leg, reason_header(cause)))

    def finish(self, end: CallEnd) -> None:
        """Note the end once, stop the audio and tell everyone."""
        if self.end:
            return
        self.end = end
        self.media.close()
        self.transfers.ended()
        self._change("ended")
        self._endpoint.ended(self)

    def _answer_now(self) -> None:
        self.answered_at = time.monotonic()
        self.media.start_timeout()
        self._change("answered")

    def _change(self, state: CallState) -> None:
        if self.state == state:
            return
        self.state = state
        self._rang.set()
        if state in ("answered", "ended"):
            self._answered.set()
        if state == "ended":
            self._ended.set()
        if self.on_change:
            self.on_change(self)

    def _up(self) -> InDialog:
        if self.leg is None or self.end:
            raise SipCallError(self.end.status or 0 if self.end else 0, "the call is not up")
        return self.leg

    def _raise_if_failed(self) -> None:
        if self.end and self.answered_at is None:
            raise SipCallError(self.end.status or 0, self.end.phrase)

    def _media_lost(self) -> None:
        self.hang_up_soon(102, "no audio from the far end")


async def _goodbye(leg: InDialog, headers: Mapping[str, str]) -> None:
    try:
        await leg.bye(headers)
    except SipCallError:
        # Nobody there any more is what was wanted.
        return


def _carry_out(call: SipCall, refer: ReferRequest) -> SipCall:
    """Do what a REFER asks: place the call to its target."""
    user = call.from_user if call.direction == "out" else call.to_user
    return call.endpoint.invite(refer.uri, from_user=user, headers=refer.headers)
