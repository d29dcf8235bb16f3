"""LiveKit's RoomService: what livekit-api asks of rooms and participants."""

from livekit.protocol import models
from livekit.protocol import room as pb

from local.exchange.participant import Participant
from local.exchange.room import Room
from local.exchange.rooms import Rooms
from local.exchange.tokens import Claims
from local.exchange.twirp import TwirpError, require

MAX_NAME = 256
MAX_ATTRIBUTES_BYTES = 65536
NO_ROOM = ("not_found", "requested room does not exist")
NO_PARTICIPANT = ("not_found", "participant does not exist")
# What the room's own node would answer, were there one (psrpc).
NO_SERVERS = ("unavailable", "twirp error unknown: no response from servers")


class RoomService:
    """Answers in livekit-server's words; livekit-server 1.13.5 ``pkg/service/roomservice.go``."""

    def __init__(self, rooms: Rooms):
        self._rooms = rooms

    async def create_room(
        self, request: pb.CreateRoomRequest, claims: Claims | None
    ) -> models.Room:
        """Open a room; one that is open already takes the settings over."""
        require(claims, "roomCreate")
        if len(request.name) > MAX_NAME:
            raise TwirpError("invalid_argument", f"room name exceeds {MAX_NAME} characters")
        known = self._rooms.get(request.name)
        room = self._rooms.open(request.name, request)
        if known is not None:
            room.configure(request)
        return room.info

    async def list_rooms(
        self, request: pb.ListRoomsRequest, claims: Claims | None
    ) -> pb.ListRoomsResponse:
        """List open rooms, all or those named."""
        require(claims, "roomList")
        rooms = [r.info for r in self._rooms if not request.names or r.name in request.names]
        return pb.ListRoomsResponse(rooms=rooms)

    async def delete_room(
        self, request: pb.DeleteRoomRequest, claims: Claims | None
    ) -> pb.DeleteRoomResponse:
        """End a room; phones in it get a BYE."""
        require(claims, "roomCreate")
        self._rooms.end(self._room(request.room, NO_ROOM), models.ROOM_DELETED)
        return pb.DeleteRoomResponse()

    async def update_room_metadata(
        self, request: pb.UpdateRoomMetadataRequest, claims: Claims | None
    ) -> models.Room:
        """Change a room's metadata."""
        require(claims, "roomAdmin", request.room)
        room = self._room(request.room, NO_ROOM)
        room.info.metadata = request.metadata
        for participant in list(room.participants.values()):
            participant.on_room(room.info)
        return room.info

    async def list_participants(
        self, request: pb.ListParticipantsRequest, claims: Claims | None
    ) -> pb.ListParticipantsResponse:
        """List participants; a room that does not exist has none."""
        require(claims, "roomAdmin", request.room)
        room = self._rooms.get(request.room)
        infos = [p.info for p in room.participants.values()] if room else []
        return pb.ListParticipantsResponse(participants=infos)

    async def get_participant(
        self, request: pb.RoomParticipantIdentity, claims: Claims | None
    ) -> models.ParticipantInfo:
        """Return one participant."""
        require(claims, "roomAdmin", request.room)
        return self._participant(request.room, request.identity).info

    async def remove_participant(
        self, request: pb.RoomParticipantIdentity, claims: Claims | None
    ) -> pb.RemoveParticipantResponse:
        """Send a participant away; a phone gets a BYE."""
        require(claims, "roomAdmin", request.room)
        participant = self._participant(request.room, request.identity)
        participant.room.leave(participant, models.PARTICIPANT_REMOVED)
        return pb.RemoveParticipantResponse()

    async def update_participant(
        self, request: pb.UpdateParticipantRequest, claims: Claims | None
    ) -> models.ParticipantInfo:
        """Change name, metadata, attributes or permission."""
        require(claims, "roomAdmin", request.room)
        size = sum(len(k) + len(v) for k, v in request.attributes.items())
        if size > MAX_ATTRIBUTES_BYTES:
            raise TwirpError(
                "invalid_argument", "attributes exceed size limits", {"argument": "attributes"}
            )
        participant = self._participant(request.room, request.identity)
        participant.update(
            metadata=request.metadata, name=request.name, attributes=request.attributes
        )
        if request.HasField("permission"):
            participant.set_permission(request.permission)
        return participant.info

    async def mute_published_track(
        self, request: pb.MuteRoomTrackRequest, claims: Claims | None
    ) -> pb.MuteRoomTrackResponse:
        """Mute or unmute a track; an unknown track of a known participant is no error."""
        require(claims, "roomAdmin", request.room)
        participant = self._participant(request.room, request.identity, NO_SERVERS)
        track = participant.tracks.get(request.track_sid)
        if track is None:
            return pb.MuteRoomTrackResponse()
        participant.room.set_muted(track, request.muted)
        participant.on_muted_by_server(track, request.muted)
        return pb.MuteRoomTrackResponse(track=track.info)

    async def update_subscriptions(
        self, request: pb.UpdateSubscriptionsRequest, claims: Claims | None
    ) -> pb.UpdateSubscriptionsResponse:
        """Let a participant hear tracks, or not."""
        require(claims, "roomAdmin", request.room)
        participant = self._participant(request.room, request.identity, NO_SERVERS)
        sids = set(request.track_sids)
        sids = sids.union(*(tracks.track_sids for tracks in request.participant_tracks))
        for track in participant.room.tracks():
            if track.sid in sids:
                participant.choose(track, hear=request.subscribe)
        return pb.UpdateSubscriptionsResponse()

    async def send_data(
        self, request: pb.SendDataRequest, claims: Claims | None
    ) -> pb.SendDataResponse:
        """Send a data packet to participants, all or those named."""
        require(claims, "roomAdmin", request.room)
        room = self._room(request.room, NO_SERVERS)
        user = models.UserPacket(
            payload=request.data,
            destination_sids=request.destination_sids,
            destination_identities=request.destination_identities,
        )
        if request.HasField("topic"):
            user.topic = request.topic
        packet = models.DataPacket(
            kind=request.kind,
            user=user,
            destination_identities=request.destination_identities,
        )
        room.relay(
            packet,
            request.kind,
            None,
            identities=request.destination_identities,
            sids=request.destination_sids,
        )
        return pb.SendDataResponse()

    async def forward_participant(
        self, request: pb.ForwardParticipantRequest, claims: Claims | None
    ) -> pb.ForwardParticipantResponse:
        """Refuse as an open-source livekit-server does."""
        raise TwirpError("unknown", "twirp error unknown: not implemented")

    async def move_participant(
        self, request: pb.MoveParticipantRequest, claims: Claims | None
    ) -> pb.MoveParticipantResponse:
        """Refuse as an open-source livekit-server does."""
        raise TwirpError("unknown", "twirp error unknown: not implemented")

    def _room(self, name: str, error: tuple[str, str]) -> Room:
        if room := self._rooms.get(name):
            return room
        raise TwirpError(*error)

    def _participant(
        self, room_name: str, identity: str, error: tuple[str, str] = NO_PARTICIPANT
    ) -> Participant:
        room = self._rooms.get(room_name)
        participant = room.participants.get(identity) if room else None
        if participant is None:
            raise TwirpError(*error)
        return participant
