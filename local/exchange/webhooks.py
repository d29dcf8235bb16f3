"""Signed webhooks, in order within a room, in the words of livekit-server."""

import asyncio
import base64
import hashlib
import time

import aiohttp
import jwt
from google.protobuf import json_format
from livekit.protocol import models
from livekit.protocol import webhook as pb
from loguru import logger

from local.exchange.ids import new_id
from local.exchange.room import Room, RoomEvent

_POST_SECS = 10.0
_RETRY_SECS = (0.5, 1.0, 2.0)
_QUEUE = 200
_CLOSE_SECS = 1.0
_TOKEN_SECS = 300


class Webhooks:
    """Posts each room's events one after the other; a slow receiver delays its own room only."""

    def __init__(self, urls: tuple[str, ...], api_key: str, api_secret: str):
        """Post to ``urls``.

        Args:
            urls: Receivers, each gets every event.
            api_key: Issuer of the signature.
            api_secret: Signs.
        """
        self._urls, self._key, self._secret = urls, api_key, api_secret
        self._session: aiohttp.ClientSession | None = None
        self._queues: dict[str, asyncio.Queue[pb.WebhookEvent]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def on_event(self, event: RoomEvent) -> None:
        """Queue an event of a room."""
        if not self._urls:
            return
        sid = event.room.info.sid
        if sid not in self._queues:
            self._queues[sid] = asyncio.Queue(_QUEUE)
            self._tasks[sid] = asyncio.create_task(self._post_all(sid))
        try:
            self._queues[sid].put_nowait(webhook_event(event))
        except asyncio.QueueFull:
            logger.error(f"{event.room}: webhook {event.name} dropped, receiver too slow")

    async def close(self) -> None:
        """Post what is queued if that is quick, then stop."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=_CLOSE_SECS)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _post_all(self, sid: str) -> None:
        queue = self._queues[sid]
        try:
            while True:
                event = await queue.get()
                for url in self._urls:
                    await self._post(url, event)
                if event.event == "room_finished":
                    return
        finally:
            del self._queues[sid], self._tasks[sid]

    async def _post(self, url: str, event: pb.WebhookEvent) -> None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_POST_SECS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        body = json_format.MessageToJson(event, indent=None).encode()
        failure = ""
        for pause_secs in (*_RETRY_SECS, None):
            try:
                async with self._session.post(url, data=body, headers=self._headers(body)) as r:
                    if r.status < 500:
                        if r.status >= 400:
                            logger.warning(f"webhook {event.event} refused: {r.status}")
                        return
                    failure = f"status {r.status}"
            except (aiohttp.ClientError, TimeoutError) as exc:
                failure = repr(exc)
            if pause_secs is not None:
                await asyncio.sleep(pause_secs)
        logger.error(f"webhook {event.event} lost, {url}: {failure}")

    def _headers(self, body: bytes) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": self._key,
            "iat": now,
            "nbf": now,
            "exp": now + _TOKEN_SECS,
            "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(),
        }
        return {
            "Authorization": jwt.encode(claims, self._secret, algorithm="HS256"),
            "Content-Type": "application/webhook+json",
            "User-Agent": "LiveKit",
        }


def webhook_event(event: RoomEvent) -> pb.WebhookEvent:
    """Write an event as livekit-server does: whole for participants, short for tracks."""
    body = pb.WebhookEvent(event=event.name, id=new_id("EV_"), created_at=int(time.time()))
    if event.track is not None and event.info is not None:
        body.room.CopyFrom(models.Room(sid=event.room.info.sid, name=event.room.name))
        body.participant.CopyFrom(
            models.ParticipantInfo(sid=event.info.sid, identity=event.info.identity)
        )
        body.track.CopyFrom(event.track)
        return body
    body.room.CopyFrom(_without_counts(event.room))
    if event.info is not None:
        body.participant.CopyFrom(event.info)
        del body.participant.tracks[:]
    return body


def _without_counts(room: Room) -> models.Room:
    # livekit-server counts lazily: its webhooks of a call carry no numbers.
    info = models.Room()
    info.CopyFrom(room.info)
    info.ClearField("num_participants")
    info.ClearField("num_publishers")
    return info
