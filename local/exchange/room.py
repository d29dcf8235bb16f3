"""A room: its participants, their tracks, what they tell each other. No sockets, no codecs."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livekit.protocol import models
from livekit.protocol import room as room_pb

from local.exchange.ids import new_id, random_text
from local.exchange.masking import masked
from local.exchange.participant import Info, Participant
from local.exchange.track import Track

EMPTY_TIMEOUT_SECS = 300
DEPARTURE_TIMEOUT_SECS = 20
_SPEAKING_BELOW = 35  # -dBov
_CODECS = (
    *("audio/PCMU", "audio/PCMA", "audio/opus", "audio/red"),
    *("video/VP8", "video/H264", "video/VP9", "video/AV1", "video/H265", "video/rtx"),
)


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something that webhooks and dispatch hear of.

    Parameters:
        name: Webhook name: ``room_started``, ``participant_joined``, ``track_published`` …
        info: The participant as it was at that moment, version and all.
    """

    name: str
    room: "Room"
    participant: Participant | None = None
    info: Info | None = None
    track: models.TrackInfo | None = None


class Room:
    """Holds participants by identity; ``left_at`` is when the last one left (monotonic)."""

    def __init__(self, name: str, on_event: Callable[[RoomEvent], None]):
        """Open a room.

        Args:
            name: Unique among the rooms that are open.
            on_event: Hears everything worth a webhook, in order.
        """
        self.name = name
        self._on_event = on_event
        now = time.time()
        self.info = models.Room(
            sid=new_id("RM_"),
            name=name,
            empty_timeout=EMPTY_TIMEOUT_SECS,
            departure_timeout=DEPARTURE_TIMEOUT_SECS,
            creation_time=int(now),
            creation_time_ms=int(now * 1000),
            turn_password=random_text(44),
            enabled_codecs=[models.Codec(mime=mime) for mime in _CODECS],
        )
        self.participants: dict[str, Participant] = {}
        self.ever_joined = False
        self.left_at = time.monotonic()
        self._speaking: set[str] = set()

    def __str__(self) -> str:
        return masked(self.name)

    def configure(self, config: room_pb.CreateRoomRequest | room_pb.RoomConfiguration) -> None:
        """Take time-outs, limits and metadata over; 0 and empty leave what was there."""
        for key in ("empty_timeout", "departure_timeout", "max_participants", "metadata"):
            if value := getattr(config, key):
                setattr(self.info, key, value)

    def emit(
        self, name: str, participant: Participant | None = None, track: Track | None = None
    ) -> None:
        """Tell webhooks and dispatch."""
        info = None
        if participant is not None:
            info = Info()
            info.CopyFrom(participant.info)
        track_info = None
        if track is not None:
            track_info = models.TrackInfo()
            track_info.CopyFrom(track.info)
        self._on_event(RoomEvent(name, self, participant, info, track_info))

    def tracks(self) -> list[Track]:
        """Return all published tracks."""
        return [t for p in self.participants.values() for t in p.tracks.values()]

    def visible_to(self, who: Participant) -> list[Info]:
        """Return the others as ``who`` may see them."""
        return [p.info for p in self.participants.values() if p is not who and not p.hidden]

    def join(self, participant: Participant) -> None:
        """Let a participant in; one of the same identity is sent away first."""
        if old := self.participants.get(participant.identity):
            self.leave(old, models.DUPLICATE_IDENTITY)
        self.participants[participant.identity] = participant
        self.ever_joined = True
        self._count()

    def leave(self, participant: Participant, reason: models.DisconnectReason) -> None:
        """Take a participant out, tell the others why, and end what carried it."""
        if self.participants.get(participant.identity) is not participant:
            return
        for track in list(participant.tracks.values()):
            self.unpublish(track, announce=False)
        for track in self.tracks():
            track.subscribers.pop(participant.identity, None)
        del self.participants[participant.identity]
        was_active = participant.info.state == Info.ACTIVE
        participant.info.state = Info.DISCONNECTED
        participant.info.disconnect_reason = reason
        self._count()
        self.left_at = time.monotonic()
        was_publisher = participant.info.is_publisher
        self.announce(participant)
        participant.info.is_publisher = was_publisher
        participant.close(reason)
        self.emit(
            "participant_left" if was_active else "participant_connection_aborted", participant
        )

    def announce(self, participant: Participant) -> None:
        """Tell everybody, the participant included, how it looks now."""
        participant.changed()
        for other in list(self.participants.values()):
            if other is participant or not participant.hidden:
                other.on_participants([participant.info])

    def publish(self, track: Track) -> None:
        """Add a track; the others learn of it before they get any of its media."""
        track.publisher.tracks[track.sid] = track
        self._count()
        self.announce(track.publisher)
        self.emit("track_published", track.publisher, track)
        for participant in list(self.participants.values()):
            if participant.wants(track):
                participant.subscribe(track)

    def link(self, track: Track, listener: Participant) -> None:
        """Make ``listener`` a subscriber of ``track``."""
        first = not track.subscribers
        track.subscribers[listener.identity] = listener
        if first:
            track.publisher.on_track_subscribed(track)

    def unpublish(self, track: Track, *, announce: bool = True) -> None:
        """Remove a track."""
        if track.publisher.tracks.pop(track.sid, None) is None:
            return
        for participant in list(self.participants.values()):
            participant.unsubscribe(track)
        self._count()
        if announce:
            self.announce(track.publisher)
        self.emit("track_unpublished", track.publisher, track)

    def set_muted(self, track: Track, muted: bool) -> None:
        """Mute or unmute a track."""
        if track.info.muted != muted:
            track.info.muted = muted
            self.announce(track.publisher)

    def refresh_subscriptions(
        self, tracks: Iterable[Track], listener: Participant | None = None
    ) -> None:
        """Apply changed permissions to ``tracks``, for one listener or for all."""
        listeners = [listener] if listener else list(self.participants.values())
        for track in list(tracks):
            for who in listeners:
                if who.identity in track.subscribers and not who.may_hear(track):
                    who.on_hearing_allowed(track, False)
                    who.unsubscribe(track)
                elif who.identity not in track.subscribers and who.wants(track):
                    who.on_hearing_allowed(track, True)
                    who.subscribe(track)

    def relay(
        self,
        packet: models.DataPacket,
        kind: int,
        source: Participant | None,
        *,
        identities: Iterable[str] = (),
        sids: Iterable[str] = (),
    ) -> None:
        """Pass a data packet on.

        Args:
            packet: Sender's names already set.
            kind: ``DataPacket.RELIABLE`` or ``LOSSY``: the channel it goes out on.
            source: Gets no copy of its own.
            identities: Who gets it; with ``sids`` empty too, everybody.
            sids: The same by participant sid.
        """
        names, numbers = set(identities), set(sids)
        for participant in list(self.participants.values()):
            if participant is source:
                continue
            if (names or numbers) and not (
                participant.identity in names or participant.sid in numbers
            ):
                continue
            participant.on_data(packet, kind)

    def scan_speakers(self) -> None:
        """Tell who began and who stopped speaking since the last scan."""
        changes: list[models.SpeakerInfo] = []
        speaking: set[str] = set()
        for track in self.tracks():
            level, track.loudest = track.loudest, 127
            sid = track.publisher.sid
            if level < _SPEAKING_BELOW and not track.info.muted:
                speaking.add(sid)
                if sid not in self._speaking:
                    loudness = 10 ** (-level / 20)
                    changes.append(models.SpeakerInfo(sid=sid, active=True, level=loudness))
        changes += [models.SpeakerInfo(sid=sid) for sid in self._speaking - speaking]
        self._speaking = speaking
        if changes:
            for participant in list(self.participants.values()):
                participant.on_speakers(changes)

    def is_idle(self, now: float) -> bool:
        """Tell whether nobody who counts has been here for the room's time-out."""
        if any(not p.dependent for p in self.participants.values()):
            return False
        limit = self.info.departure_timeout if self.ever_joined else self.info.empty_timeout
        return now - self.left_at > limit

    def _count(self) -> None:
        visible = [p for p in self.participants.values() if not p.hidden]
        self.info.num_participants = len(visible)
        self.info.num_publishers = sum(bool(p.tracks) for p in visible)
