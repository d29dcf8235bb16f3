"""What every event of a call carries, and how its private fields are marked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class Private:
    """Marks a field that holds what a person said, dialled or is called by.

    Parameters:
        shows: What ``records.redaction.redacted`` leaves of it: ``nothing``; ``ends``, the head and
            tail of a telephone number; ``rest``, all but the numbers inside it.
    """

    shows: Literal["nothing", "ends", "rest"] = "nothing"


PrivateText = Annotated[str, Private()]
PrivateNumber = Annotated[str, Private("ends")]
PrivateName = Annotated[str, Private("rest")]


class Event(BaseModel):
    """What every event carries.

    Parameters:
        call_id: The call's id.
        seq: 1, 2, 3 … within the call.
        at: Wall clock, with time zone.
        t: Seconds since the call began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_id: str
    seq: int
    at: datetime
    t: float
