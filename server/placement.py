"""A call that this server begins itself: what it is, and its room."""

import secrets
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from bots.job import CallJob, DialOrder
from server.livekit_access import LiveKitAccess
from server.seats import Seats
from transports.line_error import LineError
from transports.sip_control import SipControl

ROOM_PREFIX = "call_"
EMPTY_SECS = 60
DEPARTURE_SECS = 20
# Longer than the longest call: the token is needed again after a lost connection.
TOKEN_SECS = 6 * 3600.0
FULL_RETRY_SECS = 15


class PlacementError(Exception):
    """A call cannot be begun.

    Parameters:
        code: ``server_full``, ``server_stopping``, ``livekit_unreachable``, ``livekit_refused``,
            ``no_trunk``.
        message: What is wrong and what to do about it.
        retry_after_secs: When the same may work; None: it will not.
    """

    def __init__(self, code: str, message: str, *, retry_after_secs: int | None = None):
        super().__init__(message)
        self.code, self.message, self.retry_after_secs = code, message, retry_after_secs


def new_call_id() -> str:
    """An id that no other call has."""
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Placement:
    """A call to be begun.

    Parameters:
        bot: The bot's name.
        call_type: A phone that is called, or a browser that joins.
        dial: Whom to call; None for a browser.
        variables: What the call is about.
        metadata: Kept for whoever placed it.
        call_id: Its id; the room is named after it.
        caller: Identity of the one who talks with the bot; "" takes one of ours.
    """

    bot: str
    call_type: Literal["sip", "webrtc"] = "sip"
    dial: DialOrder | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    metadata: str = ""
    call_id: str = field(default_factory=new_call_id)
    caller: str = ""

    @property
    def room(self) -> str:
        """The room's name; no number in it."""
        return room_of(self.call_id)

    @property
    def identity(self) -> str:
        """The bot's identity in the room."""
        return f"bot_{self.call_id}"

    def job(self, access: LiveKitAccess, token: str, recording_path: str) -> CallJob:
        """What the call process is told."""
        return CallJob(
            call_id=self.call_id,
            room=self.room,
            url=access.websocket_url,
            token=token,
            identity=self.identity,
            direction="outbound" if self.dial else "inbound",
            bot=self.bot,
            metadata=self.metadata,
            recording_path=recording_path,
            api_key=access.api_key,
            api_secret=access.api_secret.get_secret_value(),
            caller=self.caller or f"caller_{self.call_id}",
            call_type=self.call_type,
            dial=self.dial,
            variables=dict(self.variables),
        )


def room_of(call_id: str) -> str:
    """The room of a call that we begin."""
    return f"{ROOM_PREFIX}{call_id}"


def control_of(access: LiveKitAccess) -> SipControl:
    """LiveKit's API with the server's key."""
    return SipControl(access.url, access.api_key, access.api_secret.get_secret_value())


def no_seat(seats: Seats) -> PlacementError:
    """Why a further call cannot be taken."""
    if seats.draining:
        return PlacementError("server_stopping", "this server is stopping: ask another one")
    message = f"all {seats.total} calls of this server are taken (SWITCHBOARD_MAX_CALLS)"
    return PlacementError("server_full", message, retry_after_secs=FULL_RETRY_SECS)


async def open_room(placement: Placement, access: LiveKitAccess) -> str:
    """Make the call's room; returns the bot's token for it.

    Raises:
        PlacementError: ``livekit_unreachable`` or ``livekit_refused``.
    """
    async with aclosing(control_of(access)) as control:
        try:
            await control.create_room(
                placement.room, empty_secs=EMPTY_SECS, departure_secs=DEPARTURE_SECS
            )
        except LineError as error:
            raise placement_error(error) from error
        return control.token(placement.room, placement.identity, ttl_secs=TOKEN_SECS)


def placement_error(error: LineError) -> PlacementError:
    """What the line's error means for whoever wants to call."""
    retry = FULL_RETRY_SECS if error.retryable else None
    return PlacementError(error.code, error.message, retry_after_secs=retry)
