"""What ``POST /calls`` is given."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_METADATA = 4096
"""Characters, as JSON."""
MAX_RING_SECS = 60.0
"""livekit-server waits 80 s for the answer to a request to dial."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
VariableValue = Annotated[str, StringConstraints(max_length=500)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class CallRequest(BaseModel):
    """A call that somebody asks for.

    Parameters:
        call_type: ``sip`` calls a telephone; ``webrtc`` waits for a browser.
        phone_number: Whom to call, with ``+`` and country code.
        bot: Who calls.
        variables: What the bot's ``{{ name }}`` stand for.
        metadata: Kept in the record for whoever asks; text or JSON.
        trunk: Outbound trunk, by name or id; None takes that of the settings, or the only one.
        caller_id: Number that the phone is shown, one of the trunk's; None leaves it to the trunk.
        ring_secs: How long it may ring.
        idempotency_key: The client's name for this request: repeated, it is the same call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_type: Literal["sip", "webrtc"] = "sip"
    phone_number: Annotated[str, StringConstraints(max_length=50)] | None = None
    bot: Short
    variables: dict[VariableName, VariableValue] = Field(default={}, max_length=50)
    metadata: str | dict[str, Any] = ""
    trunk: Short | None = None
    caller_id: Short | None = None
    ring_secs: Annotated[float, Field(ge=5, le=MAX_RING_SECS)] = 30.0
    idempotency_key: Short | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> "CallRequest":
        if self.call_type == "sip" and not self.phone_number:
            raise ValueError("phone_number: a sip call needs the number to call")
        if self.call_type == "webrtc":
            for name in ("phone_number", "trunk", "caller_id"):
                if getattr(self, name):
                    raise ValueError(f"{name}: a browser has none, call_type is webrtc")
        if len(self.metadata_text) > MAX_METADATA:
            raise ValueError(f"metadata: longer than {MAX_METADATA} characters")
        return self

    @property
    def metadata_text(self) -> str:
        """The metadata as one string."""
        return self.metadata if isinstance(self.metadata, str) else json.dumps(self.metadata)

    @property
    def hash(self) -> str:
        """The same for requests that ask for the same."""
        body = self.model_dump(mode="json", exclude={"idempotency_key"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
