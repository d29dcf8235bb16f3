"""What a call asks of LiveKit's API: phones dialled and referred, rooms, tokens."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from livekit.api import AccessToken, ServerError, SipCallError, VideoGrants
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    ListParticipantsRequest,
    RoomParticipantIdentity,
)
from livekit.protocol.sip import (
    ListSIPOutboundTrunkRequest,
    SIPTransferStatus,
    TransferSIPParticipantRequest,
)

from transports.dialler import ANSWER_MARGIN_SECS, Dialler, duration
from transports.leg import Leg, LegResult, OutboundTrunk, refer_failure
from transports.line_error import LineError
from transports.livekit_api import NETWORK_ERRORS, LiveKitRequests


class SipControl:
    """Dials and refers phones, makes and ends rooms, signs tokens.

    What becomes of a phone is a ``LegResult``, never an exception. Connections open with the first
    request; ``aclose`` ends them.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        api_secret: str,
        *,
        now: Callable[[], float] = time.monotonic,
    ):
        """Initialize; nothing connects.

        Args:
            url: The LiveKit server, ``ws://``, ``wss://``, ``http://`` or ``https://``.
            api_key: The key's name.
            api_secret: The key's secret.
            now: A clock in seconds.
        """
        self._key, self._secret, self._now = api_key, api_secret, now
        self._livekit = LiveKitRequests(url, api_key, api_secret)
        self._dialler = Dialler(self._livekit, now)

    async def find_trunk(self, wanted: str = "") -> OutboundTrunk:
        """Find an outbound trunk by id or name; without either, the only one there is.

        Raises:
            LineError: ``no_trunk`` names those that are known; ``livekit_unreachable``,
                ``livekit_refused``.
        """
        listed = await self._livekit.ask(
            self._livekit.api.sip.list_outbound_trunk(ListSIPOutboundTrunkRequest())
        )
        trunks = [
            OutboundTrunk(t.sip_trunk_id, t.name, t.address, tuple(t.numbers)) for t in listed.items
        ]
        found = [t for t in trunks if t.trunk_id == wanted]
        found = found or [t for t in trunks if not wanted or t.name == wanted]
        if len(found) == 1:
            return found[0]
        known = ", ".join(t.name or t.trunk_id for t in trunks) or "none"
        if wanted:
            problem = f"{len(found)} outbound trunks are" if found else "no outbound trunk is"
            raise LineError("no_trunk", f"{problem} named {wanted!r}; known: {known}")
        problem = "say which outbound trunk" if trunks else "LiveKit has no outbound trunk"
        raise LineError("no_trunk", f"{problem}; known: {known}")

    async def dial(self, leg: Leg) -> LegResult:
        """Dial a phone into a room and wait until it answers or is known not to.

        A cancelled dial hangs the phone up, however far it got, before it raises.
        """
        return await self._dialler.dial(leg)

    async def refer(
        self,
        room: str,
        identity: str,
        to: str,
        *,
        headers: Mapping[str, str] | None = None,
        ring_secs: float = 30.0,
    ) -> LegResult:
        """Send a phone to another place by REFER, and wait for what comes of it.

        Args:
            room: The room the phone is in.
            identity: The phone's identity.
            to: ``sip:…``, ``sips:…`` or ``tel:…``.
            headers: SIP headers of the REFER.
            ring_secs: How long the other place may take; then the end is ``unknown``.
        """
        began = self._now()
        request = TransferSIPParticipantRequest(
            room_name=room,
            participant_identity=identity,
            transfer_to=to,
            headers=dict(headers or {}),
            ringing_timeout=duration(ring_secs),
        )
        try:
            answer = await self._livekit.api.sip.transfer_sip_participant(
                request, timeout=ring_secs + ANSWER_MARGIN_SECS
            )
            failed = answer.status == SIPTransferStatus.STS_TRANSFER_FAILED
            code, status = answer.sip_status.code, answer.sip_status.status
            result = LegResult("answered")
            if failed:
                result = refer_failure("", status, sip_code=int(code) or None, sip_status=status)
        except SipCallError as error:
            result = refer_failure(
                error.code,
                error.message,
                sip_code=error.sip_status_code,
                sip_status=error.sip_status or "",
                transfer_reason=error.sip_transfer_reason or "",
            )
        except ServerError as error:
            result = refer_failure(error.code, error.message)
        except NETWORK_ERRORS as error:
            result = LegResult("unknown", sip_status=f"{type(error).__name__}: {error}")
        return replace(result, secs=round(self._now() - began, 3))

    async def remove(self, room: str, identity: str) -> None:
        """Hang a phone up, or put anyone else out of a room; idempotent."""
        await self._livekit.until_gone("Participant", lambda: self._remove(room, identity))

    async def create_room(
        self, room: str, *, metadata: str = "", empty_secs: int = 60, departure_secs: int = 20
    ) -> None:
        """Create a room, unless it is there.

        Raises:
            LineError: ``livekit_unreachable`` or ``livekit_refused``.
        """
        request = CreateRoomRequest(
            name=room,
            metadata=metadata,
            empty_timeout=empty_secs,
            departure_timeout=departure_secs,
        )
        await self._livekit.ask(self._livekit.api.room.create_room(request))

    async def delete_room(self, room: str) -> bool:
        """Delete a room, which hangs up whoever is in it; True when it is gone.

        Idempotent and bounded: three attempts of at most 3 s.
        """
        request = DeleteRoomRequest(room=room)
        return await self._livekit.until_gone(
            "Room", lambda: self._livekit.api.room.delete_room(request)
        )

    async def participants(self, room: str) -> list[ParticipantInfo]:
        """List who is in a room; nobody is in one that is not there.

        Raises:
            LineError: ``livekit_unreachable`` or ``livekit_refused``.
        """
        request = ListParticipantsRequest(room=room)
        answer = await self._livekit.ask(self._livekit.api.room.list_participants(request))
        return list(answer.participants)

    def token(
        self,
        room: str,
        identity: str,
        *,
        name: str = "",
        ttl_secs: float = 3600.0,
        hidden: bool = False,
        agent: bool = True,
    ) -> str:
        """Sign a token to join one room as somebody; an agent's room ends when phones are gone."""
        grants = VideoGrants(
            room_join=True,
            room=room,
            hidden=hidden or None,
            agent=agent or None,
            can_update_own_metadata=agent or None,
        )
        token = AccessToken(self._key, self._secret).with_identity(identity).with_grants(grants)
        token = token.with_ttl(timedelta(seconds=ttl_secs)).with_name(name)
        return (token.with_kind("agent") if agent else token).to_jwt()

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        await self._livekit.aclose()

    async def _remove(self, room: str, identity: str) -> None:
        request = RoomParticipantIdentity(room=room, identity=identity)
        await self._livekit.api.room.remove_participant(request)
