"""LiveKit's address and key, and the two things the server asks of a room."""

import asyncio
from dataclasses import dataclass
from typing import Self

from livekit.protocol.models import ParticipantInfo
from loguru import logger
from pydantic import SecretStr

from server.settings import LiveKitKey, Settings
from transports.line_error import LineError
from transports.sip_control import SipControl

ANSWER_SECS = 3.0


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
        self._control = SipControl(access.url, access.api_key, access.api_secret.get_secret_value())

    async def delete(self, room: str) -> bool:
        """Deletes the room, which ends the phone's leg; True when it is gone."""
        return await self._control.delete_room(room)

    async def has_caller(self, room: str, identity: str = "") -> bool:
        """Whether the caller is in the room; False when LiveKit cannot tell.

        Args:
            room: The room.
            identity: Who the caller is; "" for any SIP leg.
        """
        try:
            async with asyncio.timeout(ANSWER_SECS):
                participants = await self._control.participants(room)
        except (LineError, TimeoutError) as error:
            logger.warning(f"Participants unknown: {type(error).__name__}: {error}")
            return False
        return any(
            p.identity == identity if identity else p.kind == ParticipantInfo.Kind.SIP
            for p in participants
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._control.aclose()
