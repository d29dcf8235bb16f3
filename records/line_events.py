"""What happened on the line beyond what was said: whom we called and what came of it."""

from typing import Annotated, Literal

from records.event import Event, Private, PrivateNumber, PrivateText

DialOutcome = Literal[
    "answered",
    "busy",
    "no_answer",
    "declined",
    "invalid_number",
    "refused",
    "trunk_failure",
    "failed",
    "cancelled",
]


class CallPlaced(Event):
    """Somebody asked for this call; what it is about, and what they want to find in the record."""

    type: Literal["call_placed"] = "call_placed"
    variables: Annotated[dict[str, str], Private()] = {}
    metadata: PrivateText = ""


class ResultNoted(Event):
    """A flow's own result of the call, e.g. ``{"answer": "confirmed"}``; later ones add to it."""

    type: Literal["result_noted"] = "result_noted"
    results: Annotated[dict[str, str], Private()]


class NumberOptedOut(Event):
    """Somebody does not want to be called again: no call to this number is placed any more."""

    type: Literal["number_opted_out"] = "number_opted_out"
    number: PrivateNumber


class DialStarted(Event):
    """The bot is ready and a phone is being dialled; ``attempt`` counts calls to one number."""

    type: Literal["dial_started"] = "dial_started"
    number: PrivateNumber
    caller_id: PrivateNumber = ""
    trunk_id: str = ""
    ring_secs: float
    attempt: int = 1


class PhoneRang(Event):
    """The far end began to ring."""

    type: Literal["phone_rang"] = "phone_rang"


class DialEnded(Event):
    """What came of dialling.

    Parameters:
        outcome: ``answered``, or why not.
        sip_code: The final SIP status, where LiveKit tells it.
        sip_status: Its reason phrase, or LiveKit's words.
        sip_call_id: LiveKit's id of the SIP call, once answered.
        secs: From dialling to this.
        retry_after_secs: When another attempt is worth while; None: it is not.
    """

    type: Literal["dial_ended"] = "dial_ended"
    outcome: DialOutcome
    sip_code: int | None = None
    sip_status: str = ""
    sip_call_id: str = ""
    secs: float
    retry_after_secs: int | None = None
