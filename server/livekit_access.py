"""LiveKit's address and key, and the two things the server asks of a room."""

import asyncio
from dataclasses import dataclass
from typing import Self

import aiohttp
from livekit.api import LiveKitAPI, ServerError
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import DeleteRoomRequest, ListParticipantsRequest
from loguru import logger
from pydantic import SecretStr

from server.settings import LiveKitKey, Settings

ATTEMPT_SECS = 3.0
ATTEMPTS = 3
PAUSE_SECS = 0.3


@dataclass(frozen=True)
class LiveKitAccess:
    """Where LiveKit is and how to sign.

    Parameters:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://``.
        api_key: The key's name.
        api_secret: The key's secret.
    """

    url: str
    api_key: str
    api_secret: SecretStr

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The preferred LiveKit of the settings."""
        return cls.all_of(settings)[0]

    @classmethod
    def all_of(cls, settings: Settings) -> tuple[Self, ...]:
        """Every LiveKit of the settings, the preferred one first."""
        urls = [url for part in settings.livekit_urls.split(",") if (url := part.strip())]
        found: list[Self] = []
        for place, url in enumerate(urls or [settings.livekit_url], start=1):
            key = settings.livekit_keys.get(place, LiveKitKey())
            found.append(
                cls(
                    url,
                    key.api_key or settings.livekit_api_key,
                    key.api_secret
                    if key.api_secret.get_secret_value()
                    else settings.livekit_api_secret,
                )
            )
        return tuple(found)

    @property
    def websocket_url(self) -> str:
        """The address for websockets."""
        return self.url.rstrip("/").replace("http", "ws", 1)

    @property
    def http_url(self) -> str:
        """The address for requests."""
        return self.websocket_url.replace("ws", "http", 1)

    def explain(self, status: int | None) -> str:
        """What a failed connection means and what to do, by HTTP status; None: nobody answered."""
        if status is None:
            return f"LiveKit does not answer at {self.url}: is it running, is LIVEKIT_URL right?"
        if status == 401:
            return (
                f"LiveKit at {self.url} refused the key '{self.api_key}': "
                "check LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
            )
        return f"LiveKit at {self.url} answered {status} on /agent: is LIVEKIT_URL right?"


class Rooms:
    """Ends rooms, and looks whether a caller is still in one."""

    def __init__(self, access: LiveKitAccess):
        """Initialize; nothing connects before the first request."""
        self._access = access
        self._api: LiveKitAPI | None = None

    async def delete(self, room: str) -> bool:
        """Deletes the room, which ends the phone's leg; True when it is gone.

        Bounded: three attempts of at most 3 s.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECS)
            try:
                async with asyncio.timeout(ATTEMPT_SECS):
                    await self._connected().room.delete_room(DeleteRoomRequest(room=room))
                return True
            except ServerError as error:
                if error.code == "not_found":
                    return True
                reason = str(error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = f"{type(error).__name__}: {error}"
            logger.warning(f"Room not deleted, attempt {attempt + 1} of {ATTEMPTS}: {reason}")
        logger.error("Room not deleted: the caller may be left in silence")
        return False

    async def has_caller(self, room: str, identity: str = "") -> bool:
        """Whether the caller is in the room; False when LiveKit cannot tell.

        Args:
            room: The room.
            identity: Who the caller is; "" for any SIP leg.
        """
        try:
            async with asyncio.timeout(ATTEMPT_SECS):
                answer = await self._connected().room.list_participants(
                    ListParticipantsRequest(room=room)
                )
        except (ServerError, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning(f"Participants unknown: {type(error).__name__}: {error}")
            return False
        return any(
            p.identity == identity if identity else p.kind == ParticipantInfo.Kind.SIP
            for p in answer.participants
        )

    async def close(self) -> None:
        """Closes the connections."""
        if self._api:
            await self._api.aclose()  # pyright: ignore[reportGeneralTypeIssues]
            self._api = None

    def _connected(self) -> LiveKitAPI:
        if self._api is None:
            self._api = LiveKitAPI(
                self._access.url,
                self._access.api_key,
                self._access.api_secret.get_secret_value(),
            )
        return self._api
