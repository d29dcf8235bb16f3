"""The receiving half of a call's audio: packets in, frames in order and digits out."""

from collections.abc import Callable

import numpy as np

from local.sip.behaviour import RtpOptions
from local.sip.concealment import FRAME, Concealer
from local.sip.dtmf import DtmfReceiver
from local.sip.errors import SipParseError
from local.sip.g711 import CODECS, G711
from local.sip.latch import SymmetricLatch
from local.sip.reorder import ReorderWindow
from local.sip.rtp_packet import RtpPacket, is_rtcp, parse_rtp
from local.sip.rtp_stats import JitterMeter, RtpStats
from local.sip.sdp import Negotiated
from local.sip.uri import Address

_MAX_CONCEALED = 10
_FRAME_SECS = 0.02


class RtpReceiver:
    """Pure: datagrams and the time go in, the callbacks are called.

    Parameters:
        on_audio: int16[160] at 8 kHz and its arrival in seconds; see ``RtpSession``.
        on_digit: A digit at its first packet.
        on_digit_ended: The digit and how long it sounded, in seconds.
        latch: Where the audio comes from.
        stats: Counters.
    """

    def __init__(self, options: RtpOptions):
        self.on_audio: Callable[[np.ndarray, float], None] | None = None
        self.on_digit: Callable[[str], None] | None = None
        self.on_digit_ended: Callable[[str, float], None] | None = None
        self.latch = SymmetricLatch(symmetric=options.symmetric)
        self.stats = RtpStats()
        self._negotiated: Negotiated | None = None
        self._codecs: dict[int, G711] = {}
        self._window: ReorderWindow[tuple[RtpPacket, float]] = ReorderWindow(options.reorder_secs)
        self._digits = DtmfReceiver()
        self._concealer = Concealer()
        self._jitter = JitterMeter()
        self._ssrc: int | None = None
        self._rest = np.zeros(0, np.int16)
        self._arrival = 0.0

    def configure(self, negotiated: Negotiated, sip_host: str = "") -> None:
        """Follow an offer/answer; a new address takes effect at once."""
        self._negotiated = negotiated
        accepted = (*negotiated.accepted, (negotiated.payload, negotiated.codec))
        self._codecs = {payload: CODECS[name] for payload, name in accepted}
        self.latch.signalled(negotiated.remote, sip_host)

    @property
    def due(self) -> float | None:
        """When ``tick`` must be called; None when nothing is open."""
        gap, digit = self._window.due, self._digits.due
        if gap is None or digit is None:
            return digit if gap is None else gap
        return min(gap, digit)

    def receive(self, data: bytes, source: Address, arrival: float) -> bool:
        """Take a datagram; True if it is audio or a digit of this call."""
        if is_rtcp(data):
            self.stats.rtcp += 1
            return False
        packet = self._valid(data)
        if packet is None or not self.latch.accepts(source, packet.ssrc, arrival):
            self.stats.foreign += 1
            return False
        if packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._window.restart()
            self._jitter.restart()
        self.stats.received += 1
        if self._is_event(packet):
            self._event(packet, arrival)
        else:
            self._jitter.packet(arrival, packet.timestamp)
            self.stats.jitter_ms = self._jitter.jitter_ms
        self._release(self._window.push(packet.sequence, (packet, arrival), arrival))
        return True

    def tick(self, now: float) -> None:
        """Give up gaps and digits whose time is over."""
        self._release(self._window.tick(now))
        ended = self._digits.tick(now)
        if ended and self.on_digit_ended:
            self.on_digit_ended(ended.digit, ended.duration_secs)

    def _valid(self, data: bytes) -> RtpPacket | None:
        try:
            packet = parse_rtp(data)
        except SipParseError:
            return None
        n = self._negotiated
        if n is None or not packet.payload:
            return None
        known = packet.payload_type in self._codecs or packet.payload_type == n.event_payload
        return packet if known else None

    def _is_event(self, packet: RtpPacket) -> bool:
        n = self._negotiated
        return n is not None and packet.payload_type == n.event_payload

    def _event(self, packet: RtpPacket, arrival: float) -> None:
        began, ended = self._digits.receive(packet, arrival)
        if began and self.on_digit:
            self.on_digit(began)
        if ended and self.on_digit_ended:
            self.on_digit_ended(ended.digit, ended.duration_secs)

    def _release(self, slots: list[tuple[tuple[RtpPacket, float] | None, int]]) -> None:
        for slot, lost in slots:
            if slot is None:
                self.stats.lost += lost
                for _ in range(min(lost, _MAX_CONCEALED)):
                    self._emit(self._concealer.fill(), self._arrival + _FRAME_SECS)
            elif not self._is_event(slot[0]):
                self._audio(*slot)
        self.stats.late = self._window.late

    def _audio(self, packet: RtpPacket, arrival: float) -> None:
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            return
        pcm = codec.decode(packet.payload)
        self._concealer.heard(pcm)
        if len(pcm) == FRAME and not len(self._rest):
            self._emit(pcm, arrival)
            return
        # Another packet time: cut anew into 20 ms, with the arrival of the packet that filled it.
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % FRAME
        for start in range(0, whole, FRAME):
            self._emit(pcm[start : start + FRAME], arrival)
        self._rest = pcm[whole:]

    def _emit(self, pcm: np.ndarray, arrival: float) -> None:
        self._arrival = arrival
        if self.on_audio:
            self.on_audio(pcm, arrival)
