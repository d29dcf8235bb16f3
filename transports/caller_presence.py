"""Who in the room is the caller, and whether they are still there."""

import asyncio

from livekit import rtc
from loguru import logger

from transports.call_info import CallInfo

# Losing the caller without a reason may be the first sign of a reconnect of our own.
GONE_GRACE_SECS = 1.0
RECONNECT_SECS = 15.0

_SIP = rtc.ParticipantKind.PARTICIPANT_KIND_SIP


class CallerPresence:
    """Tells the caller from everyone else, and a caller who is gone from a connection that is.

    Parameters:
        identity: The caller's identity; empty while unknown.
        seen: Set once the caller is in the room, or will never be.
    """

    def __init__(self, identity: str | None):
        """Initialize.

        Args:
            identity: Who is the caller, of any kind; None takes the first SIP participant.
        """
        self.identity = identity or ""
        self.seen = asyncio.Event()
        self._connected = asyncio.Event()
        self._connected.set()

    def is_caller(self, participant: rtc.Participant) -> bool:
        """Whether this is the caller; a second SIP leg is a person being consulted."""
        if not self.identity and participant.kind == _SIP:
            self.identity = participant.identity
        return participant.identity == self.identity

    def find(self, room: rtc.Room) -> CallInfo | None:
        """The caller, if in the room."""
        for participant in room.remote_participants.values():
            if self.is_caller(participant):
                return CallInfo.from_attributes(participant.identity, participant.attributes)
        return None

    def watch(self, room: rtc.Room) -> None:
        """Notices when our own connection is lost and mended."""
        room.on("reconnecting")(self._on_reconnecting)
        room.on("reconnected")(self._on_reconnected)

    async def is_gone(self, participant: rtc.RemoteParticipant, room: rtc.Room) -> bool:
        """Whether the caller who was reported gone really is.

        A full reconnect drops every participant without a reason and brings them back.
        """
        reason = participant.disconnect_reason
        if reason and reason != rtc.DisconnectReason.DUPLICATE_IDENTITY:  # a page that joined again
            return True
        await asyncio.sleep(GONE_GRACE_SECS)
        if not self._connected.is_set():
            try:
                async with asyncio.timeout(RECONNECT_SECS):
                    await self._connected.wait()
                await asyncio.sleep(GONE_GRACE_SECS)
            except TimeoutError:
                logger.warning(f"Not reconnected within {RECONNECT_SECS:g} s")
        return self.find(room) is None

    def _on_reconnecting(self) -> None:
        logger.warning("Connection to the room lost, reconnecting")
        self._connected.clear()

    def _on_reconnected(self) -> None:
        logger.info("Reconnected to the room")
        self._connected.set()
