"""One leg of a call: what is dialled, and what came of it. Pure: errors in, outcomes out.

Source: livekit-sip ``pkg/sip/outbound.go`` and the Twirp codes that livekit-server makes of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LegOutcome = Literal[
    "answered",
    "busy",
    "no_answer",
    "declined",
    "invalid_number",
    "refused",
    "trunk_failure",
    "failed",
    "unknown",
]


@dataclass(frozen=True)
class OutboundTrunk:
    """A way out to the telephone network.

    Parameters:
        trunk_id: LiveKit's id, ``ST_…``.
        name: The name given when it was made.
        address: Host and port of the carrier or PBX.
        numbers: Caller ids it may show.
    """

    trunk_id: str
    name: str
    address: str
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leg:
    """A phone to be dialled into a room.

    Parameters:
        room: The LiveKit room; it is created if need be.
        number: Whom to dial: E.164, or a user of the PBX.
        identity: The phone's identity in the room; a leg of the same identity is hung up.
        trunk_id: LiveKit's id of the outbound trunk.
        name: Shown to others in the room.
        caller_id: Number shown to the phone; "" leaves it to the trunk.
        ring_secs: How long it may ring, at least 1 s.
        max_call_secs: When LiveKit itself hangs up: the outermost fence.
        headers: SIP headers of the INVITE, ``X-…``.
        attributes: Attributes of the participant.
    """

    room: str
    number: str
    identity: str
    trunk_id: str
    name: str = ""
    caller_id: str = ""
    ring_secs: float = 30.0
    max_call_secs: float = 3600.0
    headers: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LegResult:
    """What came of dialling a phone, or of referring one.

    Parameters:
        outcome: ``answered``; of a REFER: the transfer succeeded. ``busy``; ``no_answer``, it rang
            and rang; ``declined``, a person refused; ``invalid_number``; ``refused``, the network
            or PBX does not let us; ``trunk_failure``, the way out is broken or not allowed to us;
            ``failed``, anything else; ``unknown``, a REFER whose end was never told.
        sip_code: The final SIP status, where LiveKit tells it.
        sip_status: Its reason phrase, or LiveKit's words.
        secs: From the request to the result.
        sip_call_id: LiveKit's id of the SIP call, once answered.
        retryable: Whether the same may work later.
    """

    outcome: LegOutcome
    sip_code: int | None = None
    sip_status: str = ""
    secs: float = 0.0
    sip_call_id: str = ""
    retryable: bool = False


BY_SIP_CODE: Mapping[int, LegOutcome] = {
    401: "trunk_failure",
    402: "refused",
    403: "refused",
    404: "invalid_number",
    405: "refused",
    407: "trunk_failure",
    408: "no_answer",
    410: "invalid_number",
    480: "no_answer",
    484: "invalid_number",
    486: "busy",
    487: "no_answer",
    600: "busy",
    603: "declined",
    604: "invalid_number",
    607: "declined",
    608: "refused",
}
"""RFC 3261 §21, RFC 8197 (607), RFC 8688 (608); other 5xx are ``trunk_failure``."""

RETRYABLE: frozenset[LegOutcome] = frozenset({"busy", "no_answer"})
RETRYABLE_CODES = frozenset({500, 502, 503, 504})


def outcome_of_sip(code: int) -> LegOutcome:
    """The outcome of a final SIP status."""
    if 200 <= code < 300:
        return "answered"
    return BY_SIP_CODE.get(code) or ("trunk_failure" if 500 <= code < 600 else "failed")


def dial_failure(
    code: str, message: str, *, sip_code: int | None = None, sip_status: str = ""
) -> LegResult:
    """What a refused CreateSIPParticipant means.

    Args:
        code: The Twirp error code.
        message: Its message.
        sip_code: The SIP status in its metadata.
        sip_status: The reason phrase in its metadata.
    """
    if sip_code is not None:
        return _of_sip(sip_code, sip_status)
    match code:
        case "canceled" | "deadline_exceeded":
            return LegResult("no_answer", sip_status=message, retryable=True)
        case "invalid_argument" if "callee" in message or "SipCallTo" in message:
            return LegResult("invalid_number", sip_status=message)
        case "failed_precondition" | "not_found" | "invalid_argument":
            return LegResult("trunk_failure", sip_status=message)
        case "unavailable" | "resource_exhausted":
            return LegResult("trunk_failure", sip_status=message, retryable=True)
    return LegResult("failed", sip_status=message)


def refer_failure(
    code: str,
    message: str,
    *,
    sip_code: int | None = None,
    sip_status: str = "",
    transfer_reason: str = "",
) -> LegResult:
    """What a failed TransferSIPParticipant means; arguments as for ``dial_failure``.

    Args:
        code: The Twirp error code.
        message: Its message.
        sip_code: The SIP status of the REFER, or the one its NOTIFY told.
        sip_status: The reason phrase.
        transfer_reason: ``STR_…``, which newer servers add.
    """
    if sip_code is not None:
        return _of_sip(sip_code, sip_status)
    if transfer_reason in {"STR_RINGING_TIMEOUT", "STR_SUBSCRIPTION_TERMINATED"}:
        return LegResult("unknown", sip_status=message)
    if transfer_reason == "STR_REJECTED":
        return LegResult("declined", sip_status=message)
    if code in {"deadline_exceeded", "canceled"} and not transfer_reason:
        return LegResult("unknown", sip_status=message)
    if code == "invalid_argument" and "transfer" in message:
        return LegResult("invalid_number", sip_status=message)
    return LegResult("failed", sip_status=message)


def _of_sip(code: int, status: str) -> LegResult:
    outcome = outcome_of_sip(code)
    retryable = outcome in RETRYABLE or code in RETRYABLE_CODES
    return LegResult(outcome, code, status, retryable=retryable)
