"""All rooms of the exchange, and the timers that end what is idle or dead."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping

from livekit.protocol import models
from livekit.protocol import room as room_pb
from loguru import logger

from local.exchange.certificate import Certificate
from local.exchange.ice import IceSocket
from local.exchange.ids import new_id
from local.exchange.participant import Info
from local.exchange.room import Room, RoomEvent
from local.exchange.rtc_participant import RtcParticipant
from local.exchange.tokens import Claims, mint

SERVER_VERSION = "1.13.5"
TOKEN_TTL_SECS = 6 * 3600
_SPEAKERS_SECS = 0.4
_SWEEP_SECS = 0.5
_REFRESH_SECS = 300
_DEAD_SECS = 20
_JOIN_SECS = 60

OpenHandler = Callable[[Room, room_pb.CreateRoomRequest | room_pb.RoomConfiguration | None], None]


class Rooms:
    """Opens, finds and ends rooms.

    ``on_event`` listeners hear every ``RoomEvent`` in order. ``on_open`` listeners hear of a new
    room and the configuration it was opened with, after ``room_started``.
    """

    def __init__(self, keys: Mapping[str, str], host: str, rtc_port: int):
        """Bind the media socket.

        Args:
            keys: API secrets by API key.
            host: IPv4 address for media.
            rtc_port: UDP port, 0 for any.

        Raises:
            OSError: If the port cannot be bound.
        """
        self.keys = keys
        self.ice = IceSocket(host, rtc_port)
        self.certificate = Certificate()
        self.server_info = models.ServerInfo(
            edition=models.ServerInfo.Standard,
            version=SERVER_VERSION,
            protocol=17,
            node_id=new_id("ND_"),
            agent_protocol=1,
        )
        self.on_event: list[Callable[[RoomEvent], None]] = []
        self.on_open: list[OpenHandler] = []
        self._rooms: dict[str, Room] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def start(self) -> None:
        """Take media and run the timers."""
        self.ice.start()
        self._tasks = [
            asyncio.create_task(self._watch_speakers()),
            asyncio.create_task(self._sweep()),
        ]

    async def close(self) -> None:
        """End all rooms (SERVER_SHUTDOWN), then the media socket."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        transports = [
            participant.transport
            for room in self
            for participant in room.participants.values()
            if isinstance(participant, RtcParticipant)
        ]
        for room in self:
            self.end(room, models.SERVER_SHUTDOWN)
        for transport in transports:
            transport.close()
            await transport.wait_closed()
        self.ice.close()

    def get(self, name: str) -> Room | None:
        """Return an open room."""
        return self._rooms.get(name)

    def open(
        self,
        name: str,
        config: room_pb.CreateRoomRequest | room_pb.RoomConfiguration | None = None,
    ) -> Room:
        """Return the room of that name, opened now if there is none.

        Args:
            name: The room.
            config: Time-outs, agents and so on of a new room; an open one keeps its own.
        """
        if room := self._rooms.get(name):
            return room
        room = self._rooms[name] = Room(name, self._hear)
        if config is not None:
            room.configure(config)
        room.emit("room_started")
        for handler in self.on_open:
            handler(room, config)
        return room

    def end(self, room: Room, reason: models.DisconnectReason) -> None:
        """Send everybody away with ``reason`` and forget the room."""
        if self._rooms.get(room.name) is not room:
            return
        for participant in list(room.participants.values()):
            room.leave(participant, reason)
        del self._rooms[room.name]
        room.emit("room_finished")

    def mint(self, claims: Claims, ttl_secs: float = TOKEN_TTL_SECS) -> str:
        """Sign a token with these claims."""
        secret = self.keys[claims.api_key]
        return mint(claims, secret, now=time.time(), ttl_secs=ttl_secs)

    def _hear(self, event: RoomEvent) -> None:
        for listener in self.on_event:
            listener(event)

    async def _watch_speakers(self) -> None:
        while True:
            await asyncio.sleep(_SPEAKERS_SECS)
            for room in self:
                room.scan_speakers()

    async def _sweep(self) -> None:
        refreshed_at = time.monotonic()
        while True:
            await asyncio.sleep(_SWEEP_SECS)
            now = time.monotonic()
            refresh = now - refreshed_at > _REFRESH_SECS
            if refresh:
                refreshed_at = now
            for room in self:
                for participant in list(room.participants.values()):
                    if isinstance(participant, RtcParticipant):
                        self._check(participant, refresh=refresh)
                if room.is_idle(now):
                    logger.info(f"{room}: nobody left, room closed")
                    self.end(room, models.ROOM_CLOSED)

    def _check(self, participant: RtcParticipant, *, refresh: bool) -> None:
        transport = participant.transport
        age_secs = time.time() - participant.info.joined_at
        if transport.connected and transport.silent_secs > _DEAD_SECS:
            participant.room.leave(participant, models.CONNECTION_TIMEOUT)
        elif participant.info.state != Info.ACTIVE and age_secs > _JOIN_SECS:
            participant.room.leave(participant, models.JOIN_FAILURE)
        elif refresh and participant.signal_lost_at is None:
            participant.refresh()
