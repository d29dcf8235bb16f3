"""One telephone call between the SIP side and the room: audio, digits, the end.

How it comes to be answered is told by ``incoming_call`` and ``outgoing_call``.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit.protocol import models
from livekit.protocol import sip as pb
from loguru import logger

from local.exchange.phone_participant import PhoneParticipant
from local.exchange.room_audio import RoomAudio
from local.exchange.rtp import RtpPacket
from local.sip.call import SipCall

RINGING_SECS, MAX_CALL_SECS = 180.0, 86_400.0
DIGIT_MS, DIGIT_GAP_MS = 260, 280
_MAX_DIGITS = 64


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What trunk, request and configuration say of a call.

    Parameters:
        ringing_secs: How long it rings before it is given up.
        max_secs: How long it may last once answered.
        headers: Extra headers of the 200 or the INVITE.
        attributes_to_headers: Attributes sent as headers of 200, BYE and REFER.
        headers_to_attributes: Headers of the far end's 200 that become attributes.
        include_headers: Which of them become ``sip.h.<name>``.
        media_timeout_secs: How long the phone's packets may stop; 0 leaves it as configured.
        to_room_secs: Added delay, phone to room.
        to_phone_secs: Added delay, room to phone.
    """

    ringing_secs: float = RINGING_SECS
    max_secs: float = MAX_CALL_SECS
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes_to_headers: Mapping[str, str] = field(default_factory=dict)
    headers_to_attributes: Mapping[str, str] = field(default_factory=dict)
    include_headers: pb.SIPHeaderOptions = pb.SIP_NO_HEADERS
    media_timeout_secs: float = 0.0
    to_room_secs: float = 0.0
    to_phone_secs: float = 0.0


class PhoneCall:
    """Joins a SIP call and its participant; ``tick`` is called every 20 ms."""

    # Named in the requests of a call that was placed; of one that came in, in none.
    own_headers: Mapping[str, str] = {}

    def __init__(self, call: SipCall, participant: PhoneParticipant, terms: CallTerms):
        """Initialize the call; ``start`` joins the two sides.

        Args:
            call: Not answered yet.
            participant: The same phone in the room.
            terms: Limits, headers and delays.
        """
        self.call, self.participant = call, participant
        self._terms = terms
        self._loop = asyncio.get_running_loop()
        self._audio: RoomAudio | None = None
        self._tone: Iterator[np.ndarray] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._digits: asyncio.Queue[str] = asyncio.Queue(_MAX_DIGITS)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    def __str__(self) -> str:
        return str(self.participant)

    def start(self) -> None:
        """Let each side hear of the other."""
        participant, media = self.participant, self.call.media
        if self._terms.media_timeout_secs:
            media.allow_gaps(self._terms.media_timeout_secs)
        self.call.on_change = lambda call: self._on_change()
        media.on_audio = lambda pcm, arrived_at: self._on_audio(pcm)
        media.on_digit = participant.press
        participant.on_removed = self.hang_up
        participant.on_packet = self._on_packet
        participant.on_track_gone = self._on_track_gone
        participant.on_digit = self._queue_digit

    def tick(self, now: float) -> None:
        """Keep the phone's 20 ms clock."""
        if self._tone is not None:
            self.call.media.send(next(self._tone))
        if self._audio is not None:
            self._audio.tick(now)

    def play(self, tone: Iterator[np.ndarray] | None) -> None:
        """Let the phone hear a tone in place of the room; ``None`` gives the room back."""
        self._tone = tone

    def hang_up(self, headers: Mapping[str, str] | None = None) -> None:
        """End the call by what its state asks for: BYE, CANCEL or 486."""
        if self.call.state == "ended":
            return
        if self.call.incoming and self.call.state != "answered":
            self.call.reject(486, "Rejected")
            return
        extra = {**self.own_headers, **self.mapped_headers(), **(headers or {})}
        self.call.spawn(self.call.hangup(cause=0, headers=extra))

    def mapped_headers(self) -> dict[str, str]:
        """The headers that the trunk makes of attributes."""
        attributes = self.participant.info.attributes
        wanted = self._terms.attributes_to_headers
        return {header: attributes[key] for key, header in wanted.items() if key in attributes}

    async def close(self) -> None:
        """Hang up and wait for it."""
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_change(self) -> None:
        if self.call.state == "answered":
            self._begin()
        elif self.call.state == "ended":
            self._end()

    def _begin(self) -> None:
        logger.info(f"{self}: answered")
        self._audio = RoomAudio(self._send, time.monotonic())
        self._set_timer(self._terms.max_secs, self._too_long)

    def _end(self) -> None:
        """The SIP side is over: tell the room, unless the room ended it."""
        if self._over:
            return
        self._over = True
        self._audio = self._tone = None
        if self._timer:
            self._timer.cancel()
        end = self.call.end
        logger.info(f"{self}: ended by {end.by if end else 'nobody'}")
        for task in self._tasks:
            task.cancel()
        if not self.participant.closed:
            self._leave()

    def _leave(self) -> None:
        self.participant.set_status("hangup")
        self.participant.room.leave(self.participant, models.CLIENT_INITIATED)

    def _too_long(self) -> None:
        logger.warning(f"{self}: ended after {self._terms.max_secs:g} s, its longest time")
        self.hang_up()

    def _set_timer(self, delay_secs: float, callback) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_secs, callback)

    def _send(self, frame: np.ndarray) -> None:
        if self._tone is not None:
            return
        if self._terms.to_phone_secs:
            self._loop.call_later(self._terms.to_phone_secs, self.call.media.send, frame)
        else:
            self.call.media.send(frame)

    def _on_audio(self, pcm: np.ndarray) -> None:
        if self._over:
            return
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
        """Play what the room presses, one digit after the other."""
        while True:
            await self._play_digit(await self._digits.get())

    async def _play_digit(self, digit: str) -> None:
        try:
            await self.call.media.send_digits(digit, tone_ms=DIGIT_MS, gap_ms=DIGIT_GAP_MS)
        except ValueError as exc:
            logger.warning(f"{self}: {exc}")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
