"""Offers and answers with one SDK client: which media section carries which track.

The client alone can offer. When the exchange needs another offer it sends
``media_sections_requirement`` with the number of sections that are missing; 0 means: just offer
again.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit.protocol import models
from livekit.protocol import rtc as pb

from local.exchange import rtp
from local.exchange.answer import Slot
from local.exchange.offer import Offer
from local.exchange.track import Track
from local.exchange.transport import MediaTransport


@dataclass(slots=True)
class DownTrack:
    """A track the client receives, as an RTP stream of its own.

    Parameters:
        mid: Section it sits in, ``None`` until there is a free one.
        live: The client has an answer that names it, so media may flow.
    """

    track: Track
    ssrc: int = field(default_factory=lambda: secrets.randbits(31) + 1)
    mid: str | None = None
    payload_type: int = 111
    live: bool = False
    enabled: bool = True
    started: bool = False


class Negotiation:
    """Keeps the sections of one client's session.

    Published tracks are found by their client id in the offer, then by mid and SSRC; received ones
    take free ``recvonly`` sections.
    """

    def __init__(self, transport: MediaTransport, send: Callable[[pb.SignalResponse], None]):
        """Start without an offer.

        Args:
            transport: The client's media.
            send: Sends a signalling message to the client.
        """
        self._transport, self._send = transport, send
        self._announced: dict[str, models.TrackInfo] = {}
        self._published_by_mid: dict[str, Track] = {}
        self._published_by_ssrc: dict[int, Track] = {}
        self._down: dict[str, DownTrack] = {}
        self._asking: asyncio.Handle | None = None

    def announce(self, cid: str, info: models.TrackInfo) -> None:
        """Expect a track of the client in its next offer."""
        self._announced[cid] = info

    def announced(self, sid: str) -> models.TrackInfo | None:
        """Return a track that was announced and has not been offered yet."""
        return next((info for info in self._announced.values() if info.sid == sid), None)

    def apply(
        self, text: str, make_track: Callable[[models.TrackInfo], Track]
    ) -> tuple[list[Track], list[Track]]:
        """Read an offer; returns the tracks it begins and the ones it ends.

        Raises:
            ValueError: If the offer cannot be used.
        """
        offer = self._transport.set_offer(text)
        sending = {s.mid for s in offer.sections if s.sends}
        ended = [t for mid, t in self._published_by_mid.items() if mid not in sending]
        for track in ended:
            self._forget(track)
        begun = self._take_published(offer, make_track)
        self._seat(offer)
        return begun, ended

    def answer(self, offer_id: int) -> None:
        """Answer the last offer; media of every named track may flow from then on."""
        slots = {
            down.mid: Slot(down.ssrc, f"{down.track.publisher.sid}|{sid}", sid)
            for sid, down in self._down.items()
            if down.mid is not None
        }
        tracks = {mid: slot.track_sid for mid, slot in slots.items()}
        tracks |= {mid: track.sid for mid, track in self._published_by_mid.items()}
        answer = pb.SessionDescription(
            type="answer", sdp=self._transport.answer(slots), id=offer_id, mid_to_track_id=tracks
        )
        self._send(pb.SignalResponse(answer=answer))
        for down in self._down.values():
            down.live = down.mid is not None
        if any(down.mid is None for down in self._down.values()):
            self._ask_soon()

    def add(self, track: Track) -> bool:
        """Send a track to the client; ``False`` if it gets it already."""
        if track.sid in self._down:
            return False
        self._down[track.sid] = DownTrack(track)
        self._ask_soon()
        return True

    def remove(self, track: Track) -> None:
        """Stop sending a track."""
        if self._down.pop(track.sid, None):
            self._ask_soon()

    def enable(self, track_sid: str, enabled: bool) -> None:
        """Pause or resume a received track, as the client's track settings ask."""
        if down := self._down.get(track_sid):
            down.enabled = enabled

    def forward(self, track: Track, packet: rtp.RtpPacket) -> None:
        """Send a packet of a received track; sequence and timestamp pass through."""
        down = self._down.get(track.sid)
        if down is None or not (down.live and down.enabled and self._transport.connected):
            return
        marker = packet.marker or not down.started
        down.started = True
        self._transport.send_rtp(
            rtp.build(
                down.payload_type,
                packet.sequence,
                packet.timestamp,
                down.ssrc,
                packet.payload,
                marker,
            )
        )

    def published(self, packet: rtp.RtpPacket) -> Track | None:
        """Find the published track of a packet."""
        track = self._published_by_ssrc.get(packet.ssrc)
        if track is None and (track := self._published_by_mid.get(packet.mid)):
            self._published_by_ssrc[packet.ssrc] = track
        return track

    def close(self) -> None:
        """Ask for no more offers."""
        if self._asking:
            self._asking.cancel()

    def _take_published(
        self, offer: Offer, make_track: Callable[[models.TrackInfo], Track]
    ) -> list[Track]:
        begun: list[Track] = []
        for section in offer.sections:
            if section.kind != "audio" or not section.sends:
                continue
            track = self._published_by_mid.get(section.mid)
            if track is None and (info := self._announced.pop(section.track_id, None)):
                info.mid = info.codecs[0].mid = section.mid
                track = self._published_by_mid[section.mid] = make_track(info)
                begun.append(track)
            if track is not None:
                self._published_by_ssrc |= dict.fromkeys(section.ssrcs, track)
        return begun

    def _seat(self, offer: Offer) -> None:
        used = {down.mid for down in self._down.values()}
        free = [s for s in offer.sections if s.receives_audio and s.mid not in used]
        for down in self._down.values():
            if down.mid is None and free:
                section = free.pop(0)
                down.mid = section.mid
                down.payload_type = section.opus_pt or down.payload_type

    def _ask_soon(self) -> None:
        # However many tracks change in one turn of the loop, the client offers once.
        if self._asking is None and self._transport.offer is not None:
            self._asking = asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asking = None
        assert self._transport.offer is not None
        used = {down.mid for down in self._down.values()}
        sections = self._transport.offer.sections
        free = sum(s.receives_audio and s.mid not in used for s in sections)
        wanted = sum(down.mid is None for down in self._down.values())
        requirement = pb.MediaSectionsRequirement(num_audios=max(0, wanted - free))
        self._send(pb.SignalResponse(media_sections_requirement=requirement))

    def _forget(self, track: Track) -> None:
        self._published_by_mid = {
            mid: t for mid, t in self._published_by_mid.items() if t is not track
        }
        self._published_by_ssrc = {
            ssrc: t for ssrc, t in self._published_by_ssrc.items() if t is not track
        }
