"""The bot calls somebody: dials once it is ready, and knows what came of it."""

import asyncio
from dataclasses import replace

from bots.ending import Ending
from bots.job import CallJob, DialOrder
from bots.line_ends import ending_of_leg
from bots.retries import retry_after_secs
from records.line_events import DialEnded, DialStarted, PhoneRang
from records.log import EventLog
from transports.call_info import CallInfo
from transports.leg import Leg, LegResult
from transports.sip_control import SipControl


class Dialling:
    """Dials whom a job names, in the room in which the bot waits.

    While the phone rings its leaving the room is no end of the call: LiveKit's answer to the
    dialling says why it left.
    """

    def __init__(self, job: CallJob, order: DialOrder, log: EventLog):
        """Initialize; nothing is dialled yet.

        Args:
            job: The call; has LiveKit's key.
            order: Whom to dial.
            log: Takes the events of dialling.
        """
        self._job, self._order, self._log = job, order, log
        self._control = SipControl(job.url, job.api_key, job.api_secret)
        self._rang = self._answered = False
        self._left: Ending | None = None

    @property
    def info(self) -> CallInfo:
        """Whom the bot calls, before they are in the room."""
        order = self._order
        return CallInfo(
            self._job.caller,
            order.number,
            order.number,
            trunk_id=order.trunk_id,
            attempt=order.attempt,
        )

    def note_status(self, status: str) -> None:
        """Take ``sip.callStatus`` of the phone."""
        if status == "ringing" and not self._rang:
            self._rang = True
            self._log.add(PhoneRang)

    def keeps(self, ending: Ending) -> bool:
        """Whether it is for ``dial`` to say what it means that the phone left the room."""
        if self._answered or not ending.reason.startswith("caller:"):
            return False
        self._left = ending
        return True

    async def dial(self) -> Ending | None:
        """Dial and wait for the answer; None when there is one, else the call's end.

        Cancelled, it hangs up the phone before it raises.
        """
        order = self._order
        self._log.add(
            DialStarted,
            number=order.number,
            caller_id=order.caller_id,
            trunk_id=order.trunk_id,
            ring_secs=order.ring_secs,
            attempt=order.attempt,
        )
        began = asyncio.get_running_loop().time()
        try:
            result = await self._control.dial(self._leg())
        except asyncio.CancelledError:
            secs = round(asyncio.get_running_loop().time() - began, 3)
            self._log.add(DialEnded, outcome="cancelled", secs=secs)
            raise
        result = _without_ringing(result) if not self._rang else result
        self._answered = result.outcome == "answered"
        self._note(result)
        if self._answered:
            return self._left
        return ending_of_leg(result.outcome, result.sip_code, result.sip_status)

    async def aclose(self) -> None:
        """Close the connections to LiveKit's API."""
        await self._control.aclose()

    def _leg(self) -> Leg:
        order = self._order
        return Leg(
            room=self._job.room,
            number=order.number,
            identity=self._job.caller,
            trunk_id=order.trunk_id,
            caller_id=order.caller_id,
            ring_secs=order.ring_secs,
            max_call_secs=order.max_call_secs,
            headers={"X-Switchboard-Call": self._job.call_id},
        )

    def _note(self, result: LegResult) -> None:
        self._log.add(
            DialEnded,
            outcome="failed" if result.outcome == "unknown" else result.outcome,
            sip_code=result.sip_code,
            sip_status=result.sip_status,
            sip_call_id=result.sip_call_id,
            secs=result.secs,
            retry_after_secs=retry_after_secs(result, self._order.attempt),
        )


def _without_ringing(result: LegResult) -> LegResult:
    # A trunk that is away looks like a phone that nobody answers, but nothing ever rings.
    if result.outcome == "no_answer" and result.sip_code is None:
        status = f"nothing rang: the trunk does not answer ({result.sip_status})"
        return replace(result, outcome="trunk_failure", sip_status=status)
    return result
