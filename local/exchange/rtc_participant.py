"""A participant behind LiveKit's SDK: what it asks by signalling, what it is told."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import DecodeError
from livekit.protocol import models
from livekit.protocol import rtc as pb
from loguru import logger

from local.exchange.limits import TokenBucket
from local.exchange.negotiation import Negotiation
from local.exchange.participant import Info, Participant
from local.exchange.room import Room
from local.exchange.rtp import RtpPacket
from local.exchange.sctp import LOSSY, RELIABLE
from local.exchange.tokens import Claims
from local.exchange.track import Track, audio_track_info
from local.exchange.transport import MediaTransport

# The leave must reach the client before its data channels close under it.
LEAVE_GRACE_SECS = 0.2
_LABELS: Mapping[int, str] = {models.DataPacket.RELIABLE: RELIABLE, models.DataPacket.LOSSY: LOSSY}
_LEAVE_REASONS = (models.USER_UNAVAILABLE, models.USER_REJECTED, models.AGENT_ERROR)
_DATA_RATE, _DATA_BURST = 500, 3000
_NOT_OWN = "does not have permission to update own metadata"


class RtcParticipant(Participant):
    """One SDK client.

    ``send`` goes to the websocket that is current; a resume replaces it. ``signal_lost_at`` is when
    the websocket went without a leave (monotonic), ``None`` while there is one.
    """

    def __init__(
        self,
        room: Room,
        claims: Claims,
        transport: MediaTransport,
        send: Callable[[pb.SignalResponse], None],
        *,
        kind: Info.Kind,
        permission: models.ParticipantPermission,
        refresh_token: Callable[["RtcParticipant"], str],
    ):
        """Make a participant that has not joined yet.

        Args:
            room: Where it will join.
            claims: Its token.
            transport: Its media, without an offer yet.
            send: Sends a signalling message.
            kind: From the token.
            permission: From the token.
            refresh_token: Mints a token with the same grants.
        """
        super().__init__(
            room,
            claims.identity,
            name=claims.name,
            metadata=claims.metadata,
            attributes=claims.attributes,
            kind=kind,
            permission=permission,
        )
        self.claims, self.transport, self.send = claims, transport, send
        self.close_signal: Callable[[], None] = lambda: None
        self.signal_lost_at: float | None = None
        self.last_sequence = 0
        self._refresh_token = refresh_token
        self._data_bucket = TokenBucket(_DATA_RATE, _DATA_BURST)
        self._negotiation = Negotiation(transport, lambda message: self.send(message))
        transport.on_rtp, transport.on_data = self._on_rtp, self._on_message
        transport.on_connected = lambda: self.set_state(Info.ACTIVE)
        transport.on_closed = self._on_transport_closed

    def handle(self, request: pb.SignalRequest) -> None:
        """Do what one signalling message asks."""
        match request.WhichOneof("message"):
            case "offer":
                self.apply_offer(request.offer)
            case "add_track":
                self._add_track(request.add_track)
            case "mute":
                self._mute(request.mute)
            case "subscription":
                self._change_subscription(request.subscription)
            case "subscription_permission":
                self.set_subscription_permission(request.subscription_permission)
            case "track_setting":
                for sid in request.track_setting.track_sids:
                    self._negotiation.enable(sid, not request.track_setting.disabled)
            case "update_metadata":
                self._update_metadata(request.update_metadata)
            case "leave":
                reason = request.leave.reason
                known = reason if reason in _LEAVE_REASONS else models.CLIENT_INITIATED
                self.room.leave(self, known)
            case "ping":
                self.send(pb.SignalResponse(pong=_now_ms()))
            case "ping_req":
                pong = pb.Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=_now_ms())
                self.send(pb.SignalResponse(pong_resp=pong))
            case _:  # trickle, sync_state …: nothing to do for an ICE-lite server that kept state
                pass

    def apply_offer(self, offer: pb.SessionDescription) -> None:
        """Answer an offer; begin and end the tracks it publishes."""
        try:
            begun, ended = self._negotiation.apply(offer.sdp, lambda info: Track(self, info))
        except ValueError as exc:
            logger.warning(f"{self}: offer refused, {exc}")
            self.room.leave(self, models.JOIN_FAILURE)
            return
        self._negotiation.answer(offer.id)
        for track in ended:
            self.room.unpublish(track)
            gone = pb.TrackUnpublishedResponse(track_sid=track.sid)
            self.send(pb.SignalResponse(track_unpublished=gone))
        for track in begun:
            self.room.publish(track)

    def refresh(self) -> None:
        """Send a new token, with which the client reconnects."""
        self.send(pb.SignalResponse(refresh_token=self._refresh_token(self)))

    def subscribe(self, track: Track) -> None:
        """Send a track to the client."""
        if self._negotiation.add(track):
            super().subscribe(track)

    def unsubscribe(self, track: Track) -> None:
        """Stop sending a track to the client."""
        super().unsubscribe(track)
        self._negotiation.remove(track)

    def forward(self, track: Track, packet: RtpPacket) -> None:
        """Send a packet to the client."""
        self._negotiation.forward(track, packet)

    def on_participants(self, infos: Sequence[Info]) -> None:
        """Tell the client who changed."""
        self.send(pb.SignalResponse(update=pb.ParticipantUpdate(participants=infos)))

    def on_speakers(self, speakers: Sequence[models.SpeakerInfo]) -> None:
        """Tell the client who speaks."""
        changed = pb.SpeakersChanged(speakers=speakers)
        self.send(pb.SignalResponse(speakers_changed=changed))

    def on_room(self, info: models.Room) -> None:
        """Tell the client that the room changed."""
        self.send(pb.SignalResponse(room_update=pb.RoomUpdate(room=info)))

    def on_data(self, packet: models.DataPacket, kind: int) -> None:
        """Send a data packet to the client."""
        self.transport.send_data(_LABELS[kind], packet.SerializeToString())

    def on_track_subscribed(self, track: Track) -> None:
        """Tell the client that its track is heard."""
        subscribed = pb.TrackSubscribed(track_sid=track.sid)
        self.send(pb.SignalResponse(track_subscribed=subscribed))

    def on_muted_by_server(self, track: Track, muted: bool) -> None:
        """Ask the client to mute."""
        self.send(pb.SignalResponse(mute=pb.MuteTrackRequest(sid=track.sid, muted=muted)))

    def on_hearing_allowed(self, track: Track, allowed: bool) -> None:
        """Tell the client; its SDK drops the track, or takes it up again."""
        update = pb.SubscriptionPermissionUpdate(
            participant_sid=track.publisher.sid, track_sid=track.sid, allowed=allowed
        )
        self.send(pb.SignalResponse(subscription_permission_update=update))

    def on_updated(self) -> None:
        """Send a token that carries the change."""
        self.claims.name, self.claims.metadata = self.info.name, self.info.metadata
        self.claims.attributes = dict(self.info.attributes)
        self.refresh()

    def close(self, reason: models.DisconnectReason) -> None:
        """Send the leave, then end signalling and media."""
        if self.closed:
            return
        self.closed = True
        self._negotiation.close()
        leave = pb.LeaveRequest(reason=reason, action=pb.LeaveRequest.DISCONNECT)
        self.send(pb.SignalResponse(leave=leave))
        own_wish = reason == models.CLIENT_INITIATED
        loop = asyncio.get_running_loop()
        loop.call_later(0 if own_wish else LEAVE_GRACE_SECS, self.transport.close)
        self.close_signal()

    def _add_track(self, request: pb.AddTrackRequest) -> None:
        permission = self.info.permission
        sources = permission.can_publish_sources
        allowed = permission.can_publish and (not sources or request.source in sources)
        if request.type != models.AUDIO or not allowed:
            response = pb.RequestResponse(
                reason=pb.RequestResponse.UNSUPPORTED_TYPE
                if allowed
                else pb.RequestResponse.NOT_ALLOWED,
                message="only audio is carried here" if allowed else "cannot publish",
                add_track=request,
            )
            self.send(pb.SignalResponse(request_response=response))
            return
        info = audio_track_info(
            request.cid, name=request.name, source=request.source, muted=request.muted
        )
        info.disable_dtx, info.stereo = request.disable_dtx, request.stereo
        info.encryption = request.encryption
        if request.stream:
            info.stream = request.stream
        self._negotiation.announce(request.cid, info)
        published = pb.TrackPublishedResponse(cid=request.cid, track=info)
        self.send(pb.SignalResponse(track_published=published))

    def _mute(self, request: pb.MuteTrackRequest) -> None:
        if track := self.tracks.get(request.sid):
            self.room.set_muted(track, request.muted)
        elif info := self._negotiation.announced(request.sid):
            info.muted = request.muted

    def _change_subscription(self, request: pb.UpdateSubscription) -> None:
        sids = set(request.track_sids)
        sids = sids.union(*(tracks.track_sids for tracks in request.participant_tracks))
        for track in self.room.tracks():
            if track.sid in sids:
                self.choose(track, hear=request.subscribe)

    def _update_metadata(self, request: pb.UpdateParticipantMetadata) -> None:
        allowed = self.info.permission.can_update_metadata
        if allowed:
            self.update(metadata=request.metadata, name=request.name, attributes=request.attributes)
        response = pb.RequestResponse(
            request_id=request.request_id,
            update_metadata=request,
            reason=pb.RequestResponse.OK if allowed else pb.RequestResponse.NOT_ALLOWED,
            message="" if allowed else _NOT_OWN,
        )
        self.send(pb.SignalResponse(request_response=response))

    def _on_transport_closed(self, reason: str) -> None:
        self.room.leave(self, models.CLIENT_INITIATED)

    def _on_rtp(self, packet: RtpPacket) -> None:
        track = self._negotiation.published(packet)
        if track is not None and packet.payload:
            track.on_packet(packet)

    def _on_message(self, label: str, message: bytes) -> None:
        if not self.info.permission.can_publish_data or label not in (RELIABLE, LOSSY):
            return
        if not self._data_bucket.take():
            logger.warning(f"{self}: sends data too fast, a message was dropped")
            return
        try:
            packet = models.DataPacket.FromString(message)
        except DecodeError:
            logger.warning(f"{self}: undecodable data packet dropped")
            return
        self._relay(packet, reliable=label == RELIABLE)

    def _relay(self, packet: models.DataPacket, *, reliable: bool) -> None:
        kind = models.DataPacket.RELIABLE if reliable else models.DataPacket.LOSSY
        if reliable and packet.sequence:
            if packet.sequence <= self.last_sequence:  # sent again after a resume
                return
            self.last_sequence = packet.sequence
        packet.kind = kind
        sid, identity = ("", "") if self.hidden else (self.sid, self.identity)
        packet.participant_sid, packet.participant_identity = sid, identity
        sids: list[str] = []
        if packet.WhichOneof("value") == "user":
            user = packet.user
            sids = list(user.destination_sids)
            user.participant_sid, user.participant_identity = sid, identity
            if not packet.destination_identities:
                packet.destination_identities.extend(user.destination_identities)
        self.room.relay(packet, kind, self, identities=packet.destination_identities, sids=sids)


def _now_ms() -> int:
    return int(time.time() * 1000)
