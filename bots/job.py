"""What a call process is told about the call it takes."""

import json
from dataclasses import asdict, dataclass
from typing import Literal


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

    def __repr__(self) -> str:
        """Leave the token out of logs."""
        return f"CallJob(call_id={self.call_id!r}, room={self.room!r}, bot={self.bot!r})"

    def to_json(self) -> str:
        """One line for the call process's socket."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> "CallJob":
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(line))
