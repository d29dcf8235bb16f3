"""A call that came in: rings until the room can be heard, which is what answers it.

Source: livekit-sip be5d3f57 ``pkg/sip/inbound.go``, observed.
"""

import numpy as np
from loguru import logger

from local.exchange.phone_call import PhoneCall
from local.sip.errors import SipCallError

ACTIVE_WITHOUT_MEDIA_SECS = 1.0


class IncomingCall(PhoneCall):
    """Answers when the first track of the room reaches the phone."""

    _active = False

    def start(self) -> None:
        """Ring, and put the caller into the room; one answered for its PIN is there at once."""
        super().start()
        if self.call.state == "answered":
            self._active = True
            self._begin()
        else:
            self.participant.on_track = self._answer_soon
            self._set_timer(self._terms.ringing_secs, self._give_up)
        self.participant.enter()

    def _answer_soon(self) -> None:
        if self.call.state == "ringing" and not self._tasks:
            self._spawn(self._answer())

    async def _answer(self) -> None:
        try:
            await self.call.answer({**self._terms.headers, **self.mapped_headers()})
        except SipCallError as exc:  # the caller was told
            logger.warning(f"{self}: cannot be answered, {exc}")

    def _begin(self) -> None:
        super()._begin()
        self._spawn(self._play_digits())
        self._loop.call_later(ACTIVE_WITHOUT_MEDIA_SECS, self._become_active)

    def _on_audio(self, pcm: np.ndarray) -> None:
        if not self._over:
            self._become_active()
        super()._on_audio(pcm)

    def _become_active(self) -> None:
        if not self._active and not self._over:
            self._active = True
            self.participant.set_status("active")

    def _give_up(self) -> None:
        room = self.participant.room
        agents = sum(p.dependent for p in room.participants.values())
        why = "the agent in the room publishes nothing" if agents else "no agent came"
        logger.warning(f"{self}: rang {self._terms.ringing_secs:g} s unanswered, {why}; 486")
        self.call.reject(486, "Rejected")
