"""LiveKit's signalling websocket, ``/rtc/v1`` (one peer connection), and its validation."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from livekit.protocol import models
from livekit.protocol import room as room_pb
from livekit.protocol import rtc as pb
from loguru import logger

from local.exchange.join import Join, JoinError, check_join
from local.exchange.limits import TokenBucket
from local.exchange.masking import masked
from local.exchange.participant import Info
from local.exchange.rooms import Rooms
from local.exchange.rtc_participant import RtcParticipant
from local.exchange.signal_queue import SignalQueue
from local.exchange.transport import MediaTransport

MAX_MESSAGE_BYTES = 512 * 1024
_MESSAGE_RATE, _MESSAGE_BURST = 100, 500
_PING_INTERVAL_SECS, _PING_TIMEOUT_SECS = 5, 15
_ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
Send = Callable[[pb.SignalResponse], None]


class Signalling:
    """Lets SDK clients join, resume and leave.

    ``resume_secs`` is how long a participant outlives its websocket while its media flows; less
    when the media has been quiet for ``rtp_dead_secs`` (it was sending audio) or ``ice_dead_secs``
    (it was not).
    """

    def __init__(self, rooms: Rooms):
        self._rooms = rooms
        self._waiting: set[asyncio.Task[None]] = set()
        self.resume_secs, self.ice_dead_secs, self.rtp_dead_secs = 15.0, 6.0, 1.5

    def routes(self) -> list[web.RouteDef]:
        """Return the HTTP routes."""
        return [
            web.get("/rtc/v1", self._connect),
            web.get("/rtc/v1/validate", self._validate),
            web.get("/rtc/validate", self._validate),
        ]

    async def close(self) -> None:
        """Wait for no resume any more."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            check_join(request, self._rooms.keys)
        except JoinError as exc:
            return web.Response(status=exc.status, text=exc.text, headers=_ANY_ORIGIN)
        return web.Response(text="success", headers=_ANY_ORIGIN)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            join = check_join(request, self._rooms.keys)
        except JoinError as exc:
            return web.Response(status=exc.status, text=exc.text, headers=_ANY_ORIGIN)
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, compress=False, heartbeat=None
        )
        if not socket.can_prepare(request):
            return web.Response(status=404)
        await socket.prepare(request)
        queue = SignalQueue(socket, request.transport, join.claims.identity)
        try:
            await self._serve(socket, join, queue)
        finally:
            await queue.close()
        return socket

    async def _serve(self, socket: web.WebSocketResponse, join: Join, queue: SignalQueue) -> None:
        send = queue.send
        try:
            begin = self._resume if join.request.reconnect else self._join
            participant = begin(join, send)
        except JoinError as exc:
            logger.warning(f"{masked(join.room)}: join refused, {exc.text}")
            return
        if participant is None:
            return
        participant.close_signal = queue.finish
        try:
            await self._read(socket, participant, send)
        finally:
            if not participant.closed and participant.send is send:
                task = asyncio.create_task(self._await_resume(participant, send))
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)

    async def _read(
        self, socket: web.WebSocketResponse, participant: RtcParticipant, send: Send
    ) -> None:
        bucket = TokenBucket(_MESSAGE_RATE, _MESSAGE_BURST)
        async for message in socket:
            if message.type != WSMsgType.BINARY:
                logger.warning(f"{participant}: text on the signal socket, closing it")
                return
            try:
                request = pb.SignalRequest.FromString(message.data)
            except DecodeError:
                logger.warning(f"{participant}: undecodable signal request, closing the socket")
                return
            if not bucket.take():
                logger.warning(f"{participant}: too many signal requests, closing the socket")
                return
            if participant.send is not send or participant.closed:
                return
            participant.handle(request)

    def _join(self, join: Join, send: Send) -> RtcParticipant:
        room = self._rooms.open(join.room, _room_config(join))
        limit = room.info.max_participants
        if limit and sum(not p.dependent for p in room.participants.values()) >= limit:
            raise JoinError(403, "room is full")
        transport = MediaTransport(self._rooms.ice, self._rooms.certificate)
        participant = RtcParticipant(
            room,
            join.claims,
            transport,
            send,
            kind=join.kind,
            permission=join.permission,
            refresh_token=lambda p: self._rooms.mint(p.claims),
        )
        client = join.request.client_info
        participant.auto_subscribe = join.request.connection_settings.auto_subscribe
        participant.info.client_protocol = client.client_protocol
        participant.info.capabilities.extend(client.capabilities)
        room.join(participant)
        self._welcome(participant, send)
        participant.set_state(Info.JOINED)
        participant.refresh()
        # Tracks that exist already sit in the first answer: one round trip to hearing everybody.
        for track in room.tracks():
            if participant.wants(track):
                participant.subscribe(track)
        if join.request.HasField("publisher_offer"):
            participant.apply_offer(join.request.publisher_offer)
        return participant

    def _welcome(self, participant: RtcParticipant, send: Send) -> None:
        room = participant.room
        response = pb.JoinResponse(
            room=room.info,
            participant=participant.info,
            other_participants=room.visible_to(participant),
            server_version=self._rooms.server_info.version,
            server_info=self._rooms.server_info,
            ping_interval=_PING_INTERVAL_SECS,
            ping_timeout=_PING_TIMEOUT_SECS,
            subscriber_primary=False,
            fast_publish=True,
            enabled_publish_codecs=[models.Codec(mime="audio/opus")],
        )
        send(pb.SignalResponse(join=response))

    def _resume(self, join: Join, send: Send) -> RtcParticipant | None:
        room = self._rooms.get(join.room)
        participant = room.participants.get(join.claims.identity) if room else None
        if (
            room is None
            or not isinstance(participant, RtcParticipant)
            or participant.sid != join.request.participant_sid
        ):
            leave = pb.LeaveRequest(reason=models.STATE_MISMATCH, action=pb.LeaveRequest.RECONNECT)
            send(pb.SignalResponse(leave=leave))
            return None
        participant.close_signal()
        participant.send, participant.signal_lost_at = send, None
        reconnect = pb.ReconnectResponse(
            server_info=self._rooms.server_info, last_message_seq=participant.last_sequence
        )
        send(pb.SignalResponse(reconnect=reconnect))
        everybody = [*room.visible_to(participant), participant.info]
        participant.on_participants(everybody)
        participant.on_room(room.info)
        participant.refresh()
        logger.info(f"{participant}: signalling resumed")
        return participant

    async def _await_resume(self, participant: RtcParticipant, send: Send) -> None:
        """Keep a participant whose websocket went without a leave, while its media lives."""
        lost_at = participant.signal_lost_at = time.monotonic()
        transport = participant.transport
        was_sending = lost_at - transport.last_rtp < 0.5
        dead_secs = self.rtp_dead_secs if was_sending else self.ice_dead_secs
        while participant.send is send and not participant.closed:
            gone_secs = time.monotonic() - lost_at
            dead = gone_secs > 1.0 and transport.silent_secs > dead_secs
            if dead or gone_secs > self.resume_secs:
                connected = transport.connected
                reason = models.CONNECTION_TIMEOUT if connected else models.SIGNAL_CLOSE
                participant.room.leave(participant, reason)
                return
            await asyncio.sleep(0.25)


def _room_config(join: Join) -> room_pb.RoomConfiguration | None:
    if not join.claims.room_config:
        return None
    config = room_pb.RoomConfiguration()
    try:
        json_format.ParseDict(join.claims.room_config, config, ignore_unknown_fields=True)
    except json_format.ParseError as exc:
        raise JoinError(400, f"invalid room configuration: {exc}") from exc
    return config
