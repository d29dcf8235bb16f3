"""The sending half of a call's audio: numbers the packets and lets digits take the place of speech."""

import secrets
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from local.sip.behaviour import RtpOptions
from local.sip.dtmf import EventPayload, digit_ticks
from local.sip.g711 import CODECS
from local.sip.rtp_packet import RtpPacket
from local.sip.sdp import Negotiated

FRAME = 160


class RtpSender:
    """Makes one packet a frame. Safe to call from any thread.

    Args:
        transmit: Puts a datagram on the wire.
        options: Where sequence and timestamp begin.
    """

    def __init__(self, transmit: Callable[[bytes], None], options: RtpOptions):
        self.sent = 0
        self.ssrc = secrets.randbits(32)
        self._transmit = transmit
        first_sequence, first_timestamp = options.first_sequence, options.first_timestamp
        self._sequence = secrets.randbits(15) if first_sequence is None else first_sequence
        self._timestamp = secrets.randbits(31) if first_timestamp is None else first_timestamp
        # A pause sets the marker on the packet behind it; the very first packet goes without.
        self._marker = False
        self._negotiated: Negotiated | None = None
        self._events: deque[EventPayload | Callable[[], None] | None] = deque()
        self._event_timestamp: int | None = None
        self._lock = threading.Lock()

    def configure(self, negotiated: Negotiated) -> None:
        """Follow an offer/answer."""
        with self._lock:
            self._negotiated = negotiated

    @property
    def has_digits(self) -> bool:
        """Whether digits wait or sound."""
        return bool(self._events)

    def send(self, pcm: np.ndarray) -> None:
        """Send 20 ms: int16[160] at 8 kHz, or the next step of a digit in its place.

        Raises:
            ValueError: If the frame is not 160 samples long.
        """
        if len(pcm) != FRAME:
            raise ValueError(f"a frame has {FRAME} samples, not {len(pcm)}")
        with self._lock:
            negotiated = self._negotiated
            finished = self._take_event() if negotiated and self._events else None
            if negotiated and negotiated.sends and not isinstance(finished, bool):
                payload = CODECS[negotiated.codec].encode(pcm)
                self._packet(negotiated.payload, self._timestamp, payload)
            elif negotiated and not negotiated.sends:
                self._marker = True
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        if callable(finished):
            finished()

    def queue_digits(
        self, digits: str, tone_ms: int, gap_ms: int, on_sent: Callable[[], None]
    ) -> None:
        """Let digits follow those already waiting; ``on_sent`` is called behind the last gap.

        Raises:
            ValueError: If a digit is none, or the far end takes no events.
        """
        if self._negotiated is None or self._negotiated.event_payload is None:
            raise ValueError("the far end takes no telephone-event")
        steps: list[EventPayload | Callable[[], None] | None] = []
        for digit in digits:
            steps += digit_ticks(digit, tone_ms)
            steps += [None] * max(1, round(gap_ms / 20))
        with self._lock:
            self._events.extend([*steps, on_sent])

    def _take_event(self) -> bool | Callable[[], None] | None:
        """True if an event packet took the frame's place, a callable at the end of the digits."""
        step = self._events.popleft()
        if not isinstance(step, EventPayload):
            self._event_timestamp = None
            return step
        negotiated = self._negotiated
        if negotiated is None or negotiated.event_payload is None:
            return None
        first = self._event_timestamp is None
        if self._event_timestamp is None:
            self._event_timestamp = self._timestamp
        self._marker = first
        self._packet(negotiated.event_payload, self._event_timestamp, step.serialise())
        return True

    def _packet(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        packet = RtpPacket(
            payload_type, self._sequence, timestamp, self.ssrc, payload, self._marker
        )
        self._marker = False
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.sent += 1
        self._transmit(packet.serialise())
