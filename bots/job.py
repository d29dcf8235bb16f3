"""What a call process is told about the call it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class DialOrder:
    """Whom the bot calls.

    Parameters:
        number: E.164.
        trunk_id: LiveKit's id of the outbound trunk.
        caller_id: Number shown to the phone; "" leaves it to the trunk.
        ring_secs: How long it may ring.
        max_call_secs: When LiveKit itself hangs up, should everything of ours have failed.
        attempt: 1, 2, 3 … of the same errand.
    """

    number: str
    trunk_id: str = ""
    caller_id: str = ""
    ring_secs: float = 30.0
    max_call_secs: float = 3660.0
    attempt: int = 1


@dataclass(frozen=True)
class CallJob:
    """One call, as the worker hands it to a call process.

    Parameters:
        call_id: Our id of the call; the name of its record and recording.
        room: LiveKit room that holds the caller's leg.
        url: LiveKit's websocket address.
        token: Access token for ``room``; a secret.
        identity: The bot's identity in the room.
        direction: Who dialled.
        bot: Name of the bot; None lets the dialled number decide.
        metadata: The dispatch's metadata, as it came.
        recording_path: Where the stereo recording is written; "" records nothing.
        api_key: LiveKit's key, for what the call itself asks of the API.
        api_secret: Its secret.
        caller: Identity of the one participant that is the caller, of any kind; "" takes the first
            SIP participant.
        call_type: A phone, or a browser.
        dial: Whom to call; None when the caller calls us.
        variables: What the call is about, for ``{{ name }}`` in what the bot says and for its flow.
    """

    call_id: str
    room: str
    url: str
    token: str
    identity: str
    direction: Literal["inbound", "outbound"] = "inbound"
    bot: str | None = None
    metadata: str = ""
    recording_path: str = ""
    api_key: str = ""
    api_secret: str = ""
    caller: str = ""
    call_type: Literal["sip", "webrtc"] = "sip"
    dial: DialOrder | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Leave secrets and private data out of logs."""
        return f"CallJob(call_id={self.call_id!r}, room={self.room!r}, bot={self.bot!r})"

    @property
    def awaited(self) -> bool:
        """Whether the bot is ready before the other side is there."""
        return self.dial is not None or self.call_type == "webrtc"

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "CallJob":
        """Read what ``dataclasses.asdict`` made of a job."""
        dial = fields.get("dial")
        return cls(**{**fields, "dial": DialOrder(**dial) if dial else None})
