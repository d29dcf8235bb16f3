"""A telephone as a participant of a room."""

import secrets
from collections.abc import Callable, Mapping

import numpy as np
from livekit.protocol import models

from local.exchange.opus import OPUS_TICKS, new_encoder
from local.exchange.participant import Info, Participant
from local.exchange.room import Room
from local.exchange.rtp import SILENT, RtpPacket
from local.exchange.track import Track, audio_track_info

_OPUS_PT = 111
_QUIET_PEAK = 33
# Often enough to tell who speaks.
_LEVEL_EVERY = 4
_DTMF_CODES = "0123456789*#ABCD"


class PhoneParticipant(Participant):
    """The room's side of a telephone call; ``phone_call.PhoneCall`` is the other.

    The owner sets the callbacks: ``on_track`` when the first track of the room is there to be
    heard, ``on_packet`` and ``on_track_gone`` for what the phone hears, ``on_digit`` for digits to
    play to it, ``on_rpc`` for procedures called, ``on_removed`` when the room sends it away.
    """

    def __init__(
        self, room: Room, identity: str, *, name: str, metadata: str, attributes: Mapping[str, str]
    ):
        """Make a participant that has not joined yet; it may do all but be an agent."""
        super().__init__(
            room,
            identity,
            name=name,
            metadata=metadata,
            attributes=attributes,
            kind=Info.SIP,
            permission=models.ParticipantPermission(
                can_subscribe=True,
                can_publish=True,
                can_publish_data=True,
                can_update_metadata=True,
            ),
        )
        self.on_track: Callable[[], None] = lambda: None
        self.on_packet: Callable[[str, RtpPacket], None] = lambda sid, packet: None
        self.on_track_gone: Callable[[str], None] = lambda sid: None
        self.on_digit: Callable[[str], None] = lambda digit: None
        self.on_rpc: Callable[[models.RpcRequest, str], None] = lambda request, caller: None
        self.on_removed: Callable[[], None] = lambda: None
        info = audio_track_info("audio", name=identity, source=models.MICROPHONE, mid="0")
        self._track = Track(self, info)
        self._encoder = new_encoder()
        self._sequence, self._timestamp = secrets.randbits(15), secrets.randbits(31)

    def enter(self, *, listening: bool = True) -> None:
        """Join, become active, publish the line, listen to what is there or not yet."""
        self.auto_subscribe = listening
        self.room.join(self)
        self.set_state(Info.JOINED)
        self.set_state(Info.ACTIVE)
        self.room.publish(self._track)
        for track in self.room.tracks():
            if self.wants(track):
                self.subscribe(track)

    def hear_all(self) -> None:
        """Listen to everything from now on, whatever the API had chosen before."""
        self.auto_subscribe = True
        for track in self.room.tracks():
            self.choose(track, hear=True)

    def set_status(self, status: str) -> None:
        """Change ``sip.callStatus``."""
        self.update(attributes={"sip.callStatus": status})

    def push(self, pcm: np.ndarray) -> None:
        """Send 20 ms of the line to the room: int16[160] at 8 kHz."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._timestamp = (self._timestamp + OPUS_TICKS) & 0xFFFFFFFF
        payload = self._encoder.encode(pcm)
        level = SILENT if self._sequence % _LEVEL_EVERY else _level(pcm)
        self._track.on_packet(
            RtpPacket(False, _OPUS_PT, self._sequence, self._timestamp, 0, payload, level)
        )

    def press(self, digit: str) -> None:
        """Tell the room that the phone sent a digit; other phones in it hear it too."""
        code = _DTMF_CODES.index(digit)
        self.send_data(models.DataPacket(sip_dtmf=models.SipDTMF(code=code, digit=digit)))

    def send_data(self, packet: models.DataPacket, *identities: str) -> None:
        """Send a data packet to those named, or to everybody else."""
        packet.kind = models.DataPacket.RELIABLE
        packet.participant_identity, packet.participant_sid = self.identity, self.sid
        packet.destination_identities.extend(identities)
        self.room.relay(packet, models.DataPacket.RELIABLE, self, identities=identities)

    def subscribe(self, track: Track) -> None:
        """Hear a track; the first one answers the call."""
        super().subscribe(track)
        self.on_track()

    def unsubscribe(self, track: Track) -> None:
        """Stop hearing a track."""
        super().unsubscribe(track)
        self.on_track_gone(track.sid)

    def forward(self, track: Track, packet: RtpPacket) -> None:
        """Hear a packet."""
        self.on_packet(track.sid, packet)

    def on_data(self, packet: models.DataPacket, kind: int) -> None:
        """Play a digit, answer a procedure; other data means nothing to a telephone."""
        value = packet.WhichOneof("value")
        if value == "sip_dtmf" and packet.sip_dtmf.digit in _DTMF_CODES:
            self.on_digit(packet.sip_dtmf.digit)
        elif value == "rpc_request":
            self.on_rpc(packet.rpc_request, packet.participant_identity)

    def close(self, reason: models.DisconnectReason) -> None:
        """Hang the phone up."""
        if not self.closed:
            super().close(reason)
            self.on_removed()


def _level(pcm: np.ndarray) -> int:
    """Loudness in -dBov, from every fourth sample: enough to tell speech from silence."""
    samples = pcm[::4].tolist()
    peak = max(max(samples), -min(samples))
    if peak < _QUIET_PEAK:
        return SILENT
    return max(0, int(-6.02 * (peak.bit_length() - 15)))
