"""How a call ended."""

import re
from dataclasses import dataclass
from typing import Literal

from local.sip.message import Request

CallState = Literal["calling", "ringing", "answered", "ended"]


@dataclass(frozen=True)
class CallEnd:
    """Who ended a call, and with what.

    Parameters:
        by: ``timeout`` when nobody answered, nothing was acknowledged, or the audio stopped.
        status: Final SIP status of a call that was never answered; None after an answer.
        phrase: Reason phrase, or what happened.
        cause: Q.850 cause of the BYE's or CANCEL's Reason header, if it had one.
    """

    by: Literal["local", "remote", "timeout"]
    status: int | None = None
    phrase: str = ""
    cause: int | None = None


def cause_of(request: Request) -> int | None:
    """The Q.850 cause in a Reason header (RFC 3326)."""
    for value in request.headers.all("Reason"):
        match = re.search(r"Q\.850\s*;.*?cause\s*=\s*(\d+)", value, re.I)
        if match:
            return int(match[1])
    return None


def reason_header(cause: int) -> dict[str, str]:
    """The header that carries a Q.850 cause."""
    return {"Reason": f"Q.850;cause={cause}"}
