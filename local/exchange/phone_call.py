"""One telephone call between the SIP side and the room, from the INVITE to the end.

Rings until a track of the room can be heard (the bot publishing is what answers the call), then
carries audio and digits both ways. Source: livekit-sip be5d3f57 ``pkg/sip/inbound.go``, observed.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from livekit.protocol import models
from loguru import logger

from local.exchange.phone_participant import PhoneParticipant
from local.exchange.room_audio import RoomAudio
from local.exchange.rtp import RtpPacket
from local.sip.call import SipCall
from local.sip.errors import SipCallError

ACTIVE_WITHOUT_MEDIA_SECS = 1.0
DIGIT_MS, DIGIT_GAP_MS = 260, 280
_MAX_DIGITS = 64


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What trunk and configuration say of a call.

    Parameters:
        ringing_secs: How long it rings before 486.
        max_secs: How long it may last once answered.
        headers: Extra headers of the 200.
        attributes_to_headers: Attributes sent as headers of 200 and BYE.
        to_room_secs: Added delay, phone to room.
        to_phone_secs: Added delay, room to phone.
    """

    ringing_secs: float
    max_secs: float
    headers: Mapping[str, str]
    attributes_to_headers: Mapping[str, str]
    to_room_secs: float = 0.0
    to_phone_secs: float = 0.0


class PhoneCall:
    """Joins a SIP call and its participant; ``tick`` is called every 20 ms."""

    def __init__(self, call: SipCall, participant: PhoneParticipant, terms: CallTerms):
        """Initialize the call; ``start`` makes it ring.

        Args:
            call: An INVITE that was let in.
            participant: Has not joined yet.
            terms: Limits, headers and delays.
        """
        self.call, self.participant = call, participant
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._audio: RoomAudio | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._active = False
        self._digits: asyncio.Queue[str] = asyncio.Queue(_MAX_DIGITS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    def __str__(self) -> str:
        return str(self.participant)

    def start(self) -> None:
        """Ring, and put the caller into the room."""
        participant, media = self.participant, self.call.media
        self.call.on_change = lambda call: self._on_change()
        media.on_audio = lambda pcm, arrived_at: self._on_audio(pcm)
        media.on_digit = participant.press
        participant.on_track = self._answer_soon
        participant.on_removed = self._hang_up
        participant.on_packet = self._on_packet
        participant.on_track_gone = self._on_track_gone
        participant.on_digit = self._queue_digit
        self._timer = self._loop.call_later(self._terms.ringing_secs, self._give_up)
        participant.enter()

    def tick(self, now: float) -> None:
        """Keep the phone's 20 ms clock."""
        if self._audio is not None:
            self._audio.tick(now)

    async def close(self) -> None:
        """Hang up and wait for it."""
        self._hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _answer_soon(self) -> None:
        if self.call.state == "ringing" and not self._tasks:
            self._spawn(self._answer())

    async def _answer(self) -> None:
        try:
            await self.call.answer({**self._terms.headers, **self._mapped_headers()})
        except SipCallError as exc:  # the caller was told
            logger.warning(f"{self}: cannot be answered, {exc}")

    def _on_change(self) -> None:
        if self.call.state == "answered":
            self._begin()
        elif self.call.state == "ended":
            self._end()

    def _begin(self) -> None:
        logger.info(f"{self}: answered")
        self._audio = RoomAudio(self._send, time.monotonic())
        self._set_timer(self._terms.max_secs, self._too_long)
        self._spawn(self._play_digits())
        self._loop.call_later(ACTIVE_WITHOUT_MEDIA_SECS, self._become_active)

    def _send(self, frame: np.ndarray) -> None:
        if self._terms.to_phone_secs:
            self._loop.call_later(self._terms.to_phone_secs, self.call.media.send, frame)
        else:
            self.call.media.send(frame)

    def _become_active(self) -> None:
        if not self._active and not self._over:
            self._active = True
            self.participant.set_status("active")

    def _end(self) -> None:
        """The SIP side is over: tell the room, unless the room ended it."""
        if self._over:
            return
        self._over = True
        self._audio = None
        if self._timer:
            self._timer.cancel()
        end = self.call.end
        logger.info(f"{self}: ended by {end.by if end else 'nobody'}")
        for task in self._tasks:
            task.cancel()
        if not self.participant.closed:
            self.participant.set_status("hangup")
            self.participant.room.leave(self.participant, models.CLIENT_INITIATED)

    def _hang_up(self) -> None:
        """The room sends the phone away, or the exchange closes."""
        if self.call.state == "answered":
            goodbye = self.call.hangup(cause=0, headers=self._mapped_headers())
            self.call.spawn(goodbye)
        elif self.call.state != "ended":
            self.call.reject(486, "Rejected")

    def _give_up(self) -> None:
        room = self.participant.room
        agents = sum(p.dependent for p in room.participants.values())
        why = "the agent in the room publishes nothing" if agents else "no agent came"
        logger.warning(f"{self}: rang {self._terms.ringing_secs:g} s unanswered, {why}; 486")
        self.call.reject(486, "Rejected")

    def _too_long(self) -> None:
        logger.warning(f"{self}: ended after {self._terms.max_secs:g} s, the trunk's longest call")
        self._hang_up()

    def _set_timer(self, delay_secs: float, callback) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_secs, callback)

    def _on_audio(self, pcm: np.ndarray) -> None:
        if self._over:
            return
        self._become_active()
        if self._terms.to_room_secs:
            self._loop.call_later(self._terms.to_room_secs, self._push, pcm)
        else:
            self.participant.push(pcm)

    def _push(self, pcm: np.ndarray) -> None:
        if not self._over:
            self.participant.push(pcm)

    def _on_packet(self, track_sid: str, packet: RtpPacket) -> None:
        if self._audio is not None:
            self._audio.on_packet(track_sid, packet, time.monotonic())

    def _on_track_gone(self, track_sid: str) -> None:
        if self._audio is not None:
            self._audio.remove(track_sid)

    def _queue_digit(self, digit: str) -> None:
        if self._audio is None or self._digits.full():
            logger.warning(f"{self}: a digit for the phone was dropped")
        else:
            self._digits.put_nowait(digit)

    async def _play_digits(self) -> None:
        while True:
            digit = await self._digits.get()
            try:
                await self.call.media.send_digits(digit, tone_ms=DIGIT_MS, gap_ms=DIGIT_GAP_MS)
            except ValueError as exc:
                logger.warning(f"{self}: {exc}")

    def _mapped_headers(self) -> dict[str, str]:
        attributes = self.participant.info.attributes
        wanted = self._terms.attributes_to_headers
        return {header: attributes[key] for key, header in wanted.items() if key in attributes}

    def _spawn(self, coroutine) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
