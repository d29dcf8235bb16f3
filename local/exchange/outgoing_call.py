"""A call placed for the API: dialling, ringing, perhaps keys pressed for it, active.

Source: livekit-sip be5d3f57 ``pkg/sip/outbound.go``, observed.
"""

import asyncio

from local.exchange.phone_call import CallTerms, PhoneCall
from local.exchange.phone_participant import PhoneParticipant
from local.exchange.ring_tone import ring_tone
from local.exchange.sip_attributes import answer_attributes
from local.exchange.sip_errors import DialFailure, abandoned, dial_failure
from local.exchange.twirp import TwirpError
from local.sip.call import SipCall

PAUSE_SECS = 0.5
_PAUSE = "w"


class OutgoingCall(PhoneCall):
    """Is in the room from the first moment, but hears it only once it is active."""

    own_headers = {"User-Agent": "LiveKit"}

    def __init__(
        self,
        call: SipCall,
        participant: PhoneParticipant,
        terms: CallTerms,
        *,
        keys: str = "",
        with_password: bool = False,
        ringback: bool = False,
    ):
        """Initialize the call; ``start`` joins the two sides.

        Args:
            call: Just placed.
            participant: Has entered the room.
            terms: Limits, headers and delays.
            keys: Digits pressed at the answer; ``w`` waits half a second.
            with_password: Whether the trunk has credentials.
            ringback: Whether the room hears a ringing tone until the answer.
        """
        super().__init__(call, participant, terms)
        self._keys, self._with_password = keys, with_password
        self._ringback = ring_tone() if ringback else None
        self._outcome: asyncio.Future[TwirpError | None] = self._loop.create_future()

    async def wait_active(self) -> None:
        """Wait until the call is up and its keys are pressed.

        Raises:
            TwirpError: If it fails first.
        """
        if error := await asyncio.shield(self._outcome):
            raise error

    def tick(self, now: float) -> None:
        """Keep the phone's 20 ms clock."""
        super().tick(now)
        if self._ringback is not None and self.call.state in ("calling", "ringing"):
            self.participant.push(next(self._ringback))

    def _on_change(self) -> None:
        if self.call.state == "ringing":
            self.participant.set_status("ringing")
        super()._on_change()

    def _begin(self) -> None:
        super()._begin()
        self.participant.update(attributes=answer_attributes(self.call, self._terms))
        self._spawn(self._become_active())

    async def _become_active(self) -> None:
        if self._keys:
            self.participant.set_status("automation")
            for key in self._keys:
                if key.lower() == _PAUSE:
                    await asyncio.sleep(PAUSE_SECS)
                else:
                    await self._play_digit(key)
        self.participant.set_status("active")
        self.participant.hear_all()
        if not self._outcome.done():
            self._outcome.set_result(None)
        await self._play_digits()

    def _end(self) -> None:
        if not self._outcome.done():
            self._outcome.set_result(self._failure().error)
        super()._end()

    def _leave(self) -> None:
        end = self.call.end
        if self.call.answered_at is not None or (end and end.by == "local"):
            super()._leave()
        else:  # the status stays what it was: nobody hung up
            self.participant.room.leave(self.participant, self._failure().reason)

    def _failure(self) -> DialFailure:
        if self.call.end is None or self.call.answered_at is not None:
            return abandoned()
        return dial_failure(self.call.end, with_password=self._with_password)
