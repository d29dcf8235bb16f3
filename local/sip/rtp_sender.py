"""The sending half of a call's audio: numbers the packets, lets digits take a frame's place."""

import secrets
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from local.sip.behaviour import RtpOptions
from local.sip.dtmf import EventPayload, digit_ticks
from local.sip.g711 import CODECS
from local.sip.rtp_packet import build_rtp
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
        self._events: deque[EventPayload | Callable[[], object] | None] = deque()
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
            event, on_sent = self._next_event()
            if event:
                self._send_event(event)
            elif self._negotiated and self._negotiated.sends:
                payload = CODECS[self._negotiated.codec].encode(pcm)
                self._packet(self._negotiated.payload, self._timestamp, payload)
            elif self._negotiated:
                self._marker = True
            if self._negotiated:
                self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        if on_sent:
            on_sent()

    def queue_digits(
        self, digits: str, tone_ms: int, gap_ms: int, on_sent: Callable[[], object]
    ) -> None:
        """Let digits follow those already waiting; ``on_sent`` is called behind the last gap.

        Raises:
            ValueError: If a digit is none, or the far end takes no events.
        """
        if self._negotiated is None or self._negotiated.event_payload is None:
            raise ValueError("the far end takes no telephone-event")
        steps: list[EventPayload | Callable[[], object] | None] = []
        for digit in digits:
            steps += digit_ticks(digit, tone_ms)
            steps += [None] * max(1, round(gap_ms / 20))
        with self._lock:
            self._events.extend([*steps, on_sent])

    def _next_event(self) -> tuple[EventPayload | None, Callable[[], object] | None]:
        """The step of a digit that takes this frame's place, and who waits for the digits' end."""
        step = self._events.popleft() if self._negotiated and self._events else None
        if isinstance(step, EventPayload):
            return step, None
        self._event_timestamp = None
        return None, step

    def _send_event(self, event: EventPayload) -> None:
        if self._negotiated is None or self._negotiated.event_payload is None:
            return
        if self._event_timestamp is None:
            self._event_timestamp, self._marker = self._timestamp, True
        payload_type = self._negotiated.event_payload
        self._packet(payload_type, self._event_timestamp, event.serialise())

    def _packet(self, payload_type: int, timestamp: int, payload: bytes) -> None:
        packet = build_rtp(
            payload_type, self._sequence, timestamp, self.ssrc, payload, self._marker
        )
        self._marker = False
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.sent += 1
        self._transmit(packet)
