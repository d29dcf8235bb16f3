"""A published audio track: who sends it and who hears it."""

import time
from typing import TYPE_CHECKING

from livekit.protocol import models

from local.exchange.ids import new_id
from local.exchange.rtp import SILENT, RtpPacket

if TYPE_CHECKING:
    from local.exchange.participant import Participant


class Track:
    """One Opus track of one participant, passed on packet by packet and never decoded.

    ``sid`` is ``TR_AM…``; ``loudest`` is the level in -dBov of the loudest packet since the last
    look at the speakers.
    """

    def __init__(self, publisher: "Participant", info: models.TrackInfo):
        self.publisher = publisher
        self.info, self.sid = info, info.sid
        self.subscribers: dict[str, Participant] = {}
        self.loudest = SILENT

    def on_packet(self, packet: RtpPacket) -> None:
        """Pass a packet of the publisher on."""
        if self.info.muted:
            return
        if packet.level < self.loudest:
            self.loudest = packet.level
        for subscriber in self.subscribers.values():
            subscriber.forward(self, packet)


def audio_track_info(
    cid: str, *, name: str, source: int, muted: bool = False, mid: str = ""
) -> models.TrackInfo:
    """Describe a new Opus track as livekit-server does.

    Args:
        cid: The publisher's own id of the track.
        name: Shown to other participants.
        source: ``TrackSource`` number, such as MICROPHONE.
        muted: Whether it starts muted.
        mid: Media section, once known.
    """
    info = models.TrackInfo(
        sid=new_id("TR_AM"),
        type=models.AUDIO,
        name=name,
        source=source,  # pyright: ignore[reportArgumentType]  # enum by number, from the wire
        muted=muted,
        mime_type="audio/opus",
        disable_red=True,
        mid=mid,
        stream="camera",
        backup_codec_policy=models.SIMULCAST,
        version=models.TimedVersion(unix_micro=int(time.time() * 1e6)),
    )
    info.codecs.add(
        mime_type="audio/opus",
        mid=mid,
        cid=cid,
        video_layer_mode=models.VideoLayer.ONE_SPATIAL_LAYER_PER_STREAM,
    )
    return info
