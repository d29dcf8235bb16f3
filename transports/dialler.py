"""Dials one phone into a room, by CreateSIPParticipant."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from google.protobuf.duration_pb2 import Duration
from livekit.api import ServerError, SipCallError
from livekit.protocol.room import RoomParticipantIdentity
from livekit.protocol.sip import CreateSIPParticipantRequest, SIPParticipantInfo
from loguru import logger

from records.redaction import mask_numbers
from transports.leg import Leg, LegResult, dial_failure
from transports.livekit_api import NETWORK_ERRORS, LiveKitRequests

# How much longer than it rings LiveKit may take to say so.
ANSWER_MARGIN_SECS = 5.0
CANCEL_SECS = 3.0
# The participant appears some 20 ms after the request to dial.
CANCEL_PAUSE_SECS = 0.05
# LiveKit's own ringing timeout may come this much early.
RING_TOLERANCE_SECS = 0.5


class Dialler:
    """Waits until a phone answers or is known not to; hangs it up when nobody waits any more."""

    def __init__(self, livekit: LiveKitRequests, now: Callable[[], float]):
        """Initialize.

        Args:
            livekit: LiveKit's API.
            now: A clock in seconds.
        """
        self._livekit, self._now = livekit, now

    async def dial(self, leg: Leg) -> LegResult:
        """Dial a phone into a room and wait until it answers or is known not to.

        A cancelled dial hangs the phone up, however far it got, before it raises.
        """
        began = self._now()
        logger.info(f"Dialling {mask_numbers(leg.number)} for up to {leg.ring_secs:g} s")
        asking = asyncio.ensure_future(self._create_participant(leg))
        try:
            await asyncio.wait({asking})
        except asyncio.CancelledError:
            await self._give_up(leg, asking)
            raise
        secs = round(self._now() - began, 3)
        result = replace(_dialled(asking, secs, leg.ring_secs), secs=secs)
        if isinstance(asking.exception(), NETWORK_ERRORS):
            # It may ring although we were not told.
            await self._livekit.until_gone("Phone", lambda: self._remove(leg))
        logger.info(f"Dialling ended: {result.outcome} {result.sip_code or ''}".rstrip())
        return result

    async def _create_participant(self, leg: Leg) -> SIPParticipantInfo:
        request = CreateSIPParticipantRequest(
            sip_trunk_id=leg.trunk_id,
            sip_call_to=leg.number,
            sip_number=leg.caller_id,
            room_name=leg.room,
            participant_identity=leg.identity,
            participant_name=leg.name,
            participant_attributes=dict(leg.attributes),
            headers=dict(leg.headers),
            ringing_timeout=duration(leg.ring_secs),
            max_call_duration=duration(leg.max_call_secs),
            wait_until_answered=True,
        )
        timeout = leg.ring_secs + ANSWER_MARGIN_SECS
        return await self._livekit.api.sip.create_sip_participant(request, timeout=timeout)

    async def _give_up(self, leg: Leg, asking: "asyncio.Future[SIPParticipantInfo]") -> None:
        try:
            async with asyncio.timeout(CANCEL_SECS):
                while not await self._is_removed(leg) and not asking.done():
                    await asyncio.wait({asking}, timeout=CANCEL_PAUSE_SECS)
                await asyncio.wait({asking})
                if not asking.exception():  # it was answered at that very moment
                    await self._is_removed(leg)
        except TimeoutError:
            logger.warning(f"The phone may still ring: not removed within {CANCEL_SECS:g} s")
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _is_removed(self, leg: Leg) -> bool:
        try:
            await self._remove(leg)
        except ServerError as error:
            logger.debug(f"Not removed yet: {error.code}")
            return False
        except NETWORK_ERRORS as error:
            logger.warning(f"Phone not removed: {type(error).__name__}: {error}")
            return False
        return True

    async def _remove(self, leg: Leg) -> None:
        request = RoomParticipantIdentity(room=leg.room, identity=leg.identity)
        await self._livekit.api.room.remove_participant(request)


def _dialled(
    asking: "asyncio.Future[SIPParticipantInfo]", secs: float, ring_secs: float
) -> LegResult:
    match asking.exception():
        case None:
            return LegResult("answered", sip_code=200, sip_call_id=asking.result().sip_call_id)
        case SipCallError() as error:
            return dial_failure(
                error.code,
                error.message,
                sip_code=error.sip_status_code,
                sip_status=error.sip_status or "",
            )
        case ServerError(code="canceled") if secs < ring_secs - RING_TOLERANCE_SECS:
            return LegResult("failed", sip_status="hung up by somebody else while it rang")
        case ServerError() as error:
            return dial_failure(error.code, error.message)
        case error if isinstance(error, NETWORK_ERRORS):
            status = f"{type(error).__name__}: {error}"
            return LegResult("failed", sip_status=status, retryable=True)
        case error:
            raise error


def duration(secs: float) -> Duration:
    """Seconds as protobuf has them."""
    message = Duration()
    message.FromMilliseconds(round(secs * 1000))
    return message
