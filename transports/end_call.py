"""Hangs up a phone's leg with a BYE that carries headers, as deleting its room cannot."""

import asyncio
import json
from collections.abc import Mapping

from livekit import rtc
from loguru import logger

METHOD = "lk.sip.EndCall"
END_SECS = 2.0


async def end_call(room: rtc.Room, identity: str, headers: Mapping[str, str]) -> bool:
    """Ask the SIP bridge for a BYE; returns once the leg is gone, 2 s at most.

    Source: livekit-sip, RPC ``lk.sip.EndCall``: ``{"headers": {…}}`` → ``{}`` after about 4 ms. On
    an outgoing leg the answer is lost with the leg that should have given it: error 1503 after
    2 s, although the BYE went out. The leg's departure is therefore as good as an answer.

    Args:
        room: The joined room.
        identity: Of the leg's participant.
        headers: SIP headers of the BYE, e.g. ``X-Switchboard-Outcome``.

    Returns:
        Whether the leg is gone; otherwise deleting the room, or removing the participant, must
        end it.
    """
    gone = asyncio.Event()

    def on_gone(participant: rtc.RemoteParticipant) -> None:
        if participant.identity == identity:
            gone.set()

    if identity not in room.remote_participants:
        return True
    room.on("participant_disconnected", on_gone)
    asking = asyncio.ensure_future(_ask(room, identity, headers))
    leaving = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({asking, leaving}, timeout=END_SECS, return_when="FIRST_COMPLETED")
        return gone.is_set() or (asking.done() and asking.result())
    finally:
        room.off("participant_disconnected", on_gone)
        asking.cancel()
        leaving.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _ask(room: rtc.Room, identity: str, headers: Mapping[str, str]) -> bool:
    try:
        await room.local_participant.perform_rpc(
            destination_identity=identity,
            method=METHOD,
            payload=json.dumps({"headers": dict(headers)}),
            response_timeout=END_SECS,
        )
    except rtc.RpcError as error:
        if error.code == rtc.RpcError.ErrorCode.RECIPIENT_DISCONNECTED:
            return True
        logger.info(f"No BYE of ours, {error.code}: {error.message}")
        return False
    return True
