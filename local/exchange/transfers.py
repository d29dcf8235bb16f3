"""Cold transfers: REFER to a phone, and what becomes of it.

Source: livekit-sip be5d3f57 ``pkg/sip/service.go`` (transferSIPParticipant), observed.
"""

import asyncio
from collections.abc import Mapping

from loguru import logger

from local.exchange.phone_call import PhoneCall
from local.exchange.ring_tone import ring_tone
from local.exchange.sip_errors import invalid, transfer_failure
from local.exchange.twirp import TwirpError
from local.sip.errors import SipCallError
from local.sip.refer import ReferResult

# A phone that was sent away has so long to hang up by itself.
BYE_AFTER_SECS = 1.0


class Transfers:
    """At most one transfer a call; a second request for the same target waits for the first."""

    def __init__(self):
        self._pending: dict[PhoneCall, tuple[str, asyncio.Task[None]]] = {}

    async def refer(
        self,
        phone: PhoneCall,
        uri: str,
        *,
        headers: Mapping[str, str],
        timeout_secs: float,
        dialtone: bool,
    ) -> None:
        """Transfer a phone; returns once it is where it was sent.

        Args:
            phone: A call that is up.
            uri: Where to.
            headers: Extra headers of the REFER.
            timeout_secs: For all of it.
            dialtone: Whether the phone hears ringing in place of the room.

        Raises:
            TwirpError: If the phone refuses, fails to get there, or says nothing in time.
        """
        target, task = self._pending.get(phone, (uri, None))
        if target != uri:
            raise invalid("call already being transferred elsewhere")
        if task is None:
            task = asyncio.create_task(
                _transfer(phone, uri, dict(headers), timeout_secs, dialtone=dialtone)
            )
            self._pending[phone] = (uri, task)
            task.add_done_callback(lambda _: self._pending.pop(phone, None))
        await asyncio.shield(task)


async def _transfer(
    phone: PhoneCall, uri: str, headers: dict[str, str], timeout_secs: float, *, dialtone: bool
) -> None:
    if phone.call.state != "answered":
        raise TwirpError(
            "failed_precondition",
            "twirp error unknown: can't transfer non established call",
        )
    if dialtone:
        phone.play(ring_tone())
    extra = {**phone.own_headers, **phone.mapped_headers(), **headers}
    try:
        result = await phone.call.refer(uri, extra, timeout_secs=timeout_secs)
    except SipCallError as exc:
        result = ReferResult("refused", exc.status, exc.phrase)
    logger.info(f"{phone}: transfer {result.outcome}, {result.status} {result.phrase}")
    if result.outcome != "succeeded":
        phone.play(None)
        raise transfer_failure(result)
    asyncio.get_running_loop().call_later(BYE_AFTER_SECS, phone.hang_up)
