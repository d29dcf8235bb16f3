"""Digits as RTP events, both ways (RFC 4733 §2): packets and time in, packets and digits out."""

import struct
from collections import deque
from dataclasses import dataclass

from local.sip.rtp_packet import RtpPacket

DIGITS = "0123456789*#ABCD"
_PAYLOAD = struct.Struct("!BBH")
_VOLUME = 10
_FRAME = 160
_END_COPIES = 3
_LOST_AFTER_SECS = 0.06


@dataclass(frozen=True)
class EventPayload:
    """Payload of a telephone-event packet.

    Parameters:
        digit: One of ``0123456789*#ABCD``.
        duration: Samples at 8 kHz since the event began.
        end: The E bit.
    """

    digit: str
    duration: int
    end: bool

    def serialise(self) -> bytes:
        """Four bytes."""
        flags = (0x80 if self.end else 0) | _VOLUME
        return _PAYLOAD.pack(DIGITS.index(self.digit), flags, min(self.duration, 0xFFFF))

    @classmethod
    def parse(cls, payload: bytes) -> "EventPayload | None":
        """Read a payload; None if it is cut short or no digit."""
        if len(payload) < 4:
            return None
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        if event >= len(DIGITS):
            return None
        return cls(DIGITS[event], duration, bool(flags & 0x80))


def digit_ticks(digit: str, tone_ms: int) -> list[EventPayload]:
    """One payload for each 20 ms: growing durations, the last one three times with the E bit.

    Raises:
        ValueError: If ``digit`` is none.
    """
    if len(digit) != 1 or digit.upper() not in DIGITS:
        raise ValueError(f"{digit!r} is not one of {DIGITS}")
    steps = max(1, round(tone_ms / 20))
    tone = [EventPayload(digit.upper(), (i + 1) * _FRAME, False) for i in range(steps - 1)]
    last = EventPayload(digit.upper(), steps * _FRAME, True)
    return tone + [last] * _END_COPIES


@dataclass(frozen=True)
class DigitEnded:
    """A digit is over.

    Parameters:
        digit: Which.
        duration_secs: As the sender counted.
    """

    digit: str
    duration_secs: float


class DtmfReceiver:
    """Reports a digit at its first packet, once; lost end packets do not lose it or double it."""

    def __init__(self):
        self._open: tuple[int, int] | None = None
        self._payload = EventPayload("0", 0, False)
        self._heard_at = 0.0
        self._known: deque[tuple[int, int]] = deque(maxlen=16)

    @property
    def due(self) -> float | None:
        """When an open digit is given up; None without one."""
        return None if self._open is None else self._heard_at + _LOST_AFTER_SECS

    def receive(self, packet: RtpPacket, now: float) -> tuple[str | None, DigitEnded | None]:
        """Take a packet; gives the digit that began and the digit that ended."""
        payload = EventPayload.parse(packet.payload)
        if payload is None:
            return None, None
        key = (packet.ssrc, packet.timestamp)
        began, ended = None, None
        if key not in self._known:
            ended = self._close()
            self._known.append(key)
            self._open, began = key, payload.digit
        if key == self._open:
            self._payload, self._heard_at = payload, now
            if payload.end:
                ended = self._close() or ended
        return began, ended

    def tick(self, now: float) -> DigitEnded | None:
        """Close a digit whose packets stopped: three are missing."""
        return self._close() if self.due is not None and now >= self.due else None

    def _close(self) -> DigitEnded | None:
        if self._open is None:
            return None
        self._open = None
        return DigitEnded(self._payload.digit, self._payload.duration / 8000)
