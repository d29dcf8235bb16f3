"""A participant of a room, whatever carries it: an SDK client or a phone."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from livekit.protocol import models
from livekit.protocol import rtc as pb

from local.exchange.ids import new_id
from local.exchange.masking import masked
from local.exchange.rtp import RtpPacket
from local.exchange.track import Track

if TYPE_CHECKING:
    from local.exchange.room import Room

Info = models.ParticipantInfo
_DEPENDENT = (Info.AGENT, Info.EGRESS)


class Participant:
    """State of one participant, and what the room tells it.

    Subclasses override the ``on_…`` methods, ``forward`` and ``close``. ``info`` is what others
    see; its ``version`` grows with every change, for clients drop stale ones.
    """

    def __init__(
        self,
        room: "Room",
        identity: str,
        *,
        name: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
        kind: Info.Kind = Info.STANDARD,
        permission: models.ParticipantPermission | None = None,
    ):
        """Make a participant that has not joined yet.

        Args:
            room: Where it will join.
            identity: Unique in the room.
            name: Shown name.
            metadata: Free text.
            attributes: Key and value texts.
            kind: STANDARD, SIP, AGENT …
            permission: What it may do; default publish, subscribe and send data.
        """
        self.room = room
        now = time.time()
        self.info = Info(
            sid=new_id("PA_"),
            identity=identity,
            name=name,
            metadata=metadata,
            kind=kind,
            state=Info.JOINING,
            joined_at=int(now),
            joined_at_ms=int(now * 1000),
            version=1,
        )
        self.info.attributes.update(attributes or {})
        self.info.permission.CopyFrom(
            permission
            or models.ParticipantPermission(
                can_subscribe=True, can_publish=True, can_publish_data=True
            )
        )
        self.tracks: dict[str, Track] = {}
        self.auto_subscribe = True
        self.closed = False
        self._choices: dict[str, bool] = {}
        self._subscription_permission: pb.SubscriptionPermission | None = None

    def __str__(self) -> str:
        return masked(f"{self.room.name}/{self.identity}")

    @property
    def identity(self) -> str:
        """Unique name in the room."""
        return self.info.identity

    @property
    def sid(self) -> str:
        """Participant sid, ``PA_…``, new with every join."""
        return self.info.sid

    @property
    def hidden(self) -> bool:
        """Others do not see it."""
        return self.info.permission.hidden

    @property
    def dependent(self) -> bool:
        """Agents and egress do not keep a room open."""
        return self.info.kind in _DEPENDENT

    def on_participants(self, infos: Sequence[Info]) -> None:
        """Somebody changed."""

    def on_speakers(self, speakers: Sequence[models.SpeakerInfo]) -> None:
        """Somebody began or stopped speaking."""

    def on_room(self, info: models.Room) -> None:
        """The room's metadata changed."""

    def on_data(self, packet: models.DataPacket, kind: int) -> None:
        """A data packet for this participant; ``kind`` RELIABLE or LOSSY."""

    def on_track_subscribed(self, track: Track) -> None:
        """The first subscriber took this participant's track."""

    def on_muted_by_server(self, track: Track, muted: bool) -> None:
        """The API muted this participant's track."""

    def on_hearing_allowed(self, track: Track, allowed: bool) -> None:
        """The publisher of a track lets this participant hear it, or no longer."""

    def on_updated(self) -> None:
        """Name, metadata, attributes or permission of this participant changed."""

    def forward(self, track: Track, packet: RtpPacket) -> None:
        """A packet of a track this participant is subscribed to."""

    def subscribe(self, track: Track) -> None:
        """Start hearing a track."""
        self.room.link(track, self)

    def unsubscribe(self, track: Track) -> None:
        """Stop hearing a track."""
        track.subscribers.pop(self.identity, None)

    def close(self, reason: models.DisconnectReason) -> None:
        """The participant has left the room; end what carries it."""
        self.closed = True

    def choose(self, track: Track, *, hear: bool) -> None:
        """Hear a track or not, by wish; the wish outlives a change of permissions."""
        self._choices[track.sid] = hear
        if not hear:
            self.unsubscribe(track)
        elif self.may_hear(track):
            self.subscribe(track)

    def wants(self, track: Track) -> bool:
        """Tell whether a track is to be heard: by wish, or else without being asked for."""
        return self._choices.get(track.sid, self.auto_subscribe) and self.may_hear(track)

    def may_hear(self, track: Track) -> bool:
        """Tell whether the publisher and the own permission allow hearing a track."""
        return (
            track.publisher is not self
            and self.info.permission.can_subscribe
            and track.publisher.allows(track, self)
        )

    def allows(self, track: Track, listener: "Participant") -> bool:
        """Tell whether this publisher lets ``listener`` hear ``track``."""
        permission = self._subscription_permission
        if permission is None or permission.all_participants:
            return True
        return any(
            (granted.all_tracks or track.sid in granted.track_sids)
            and listener.identity in (granted.participant_identity, "")
            or (granted.participant_sid == listener.sid and granted.all_tracks)
            for granted in permission.track_permissions
        )

    def set_subscription_permission(self, permission: pb.SubscriptionPermission) -> None:
        """Choose who may hear this participant's tracks; takes effect at once."""
        self._subscription_permission = permission
        self.room.refresh_subscriptions(self.tracks.values())

    def changed(self) -> None:
        """Bring ``info`` up to date and raise its version."""
        self.info.version += 1
        del self.info.tracks[:]
        self.info.tracks.extend(track.info for track in self.tracks.values())
        self.info.is_publisher = bool(self.tracks)

    def set_state(self, state: Info.State) -> None:
        """Move to JOINED or ACTIVE and tell the others."""
        if self.info.state != state:
            self.info.state = state
            self.room.announce(self)
            if state == Info.ACTIVE:
                self.room.emit("participant_joined", self)

    def update(
        self,
        *,
        metadata: str = "",
        name: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Change what others see; an attribute with an empty value is deleted."""
        if metadata:
            self.info.metadata = metadata
        if name:
            self.info.name = name
        for key, value in (attributes or {}).items():
            if value:
                self.info.attributes[key] = value
            else:
                self.info.attributes.pop(key, None)
        self.room.announce(self)
        self.on_updated()

    def set_permission(self, permission: models.ParticipantPermission) -> None:
        """Change what the participant may do; takes effect at once."""
        self.info.permission.CopyFrom(permission)
        if not permission.can_publish:
            for track in list(self.tracks.values()):
                self.room.unpublish(track)
        self.room.refresh_subscriptions(self.room.tracks(), self)
        self.room.announce(self)
        self.on_updated()
