"""What the line says of its end, as one of our outcomes. Pure: the one table of reasons."""

from collections.abc import Mapping

from bots.ending import Ending
from records.outcomes import Outcome
from transports.leg import LegOutcome
from transports.line_error import LineError

BY_CALLER: Mapping[str, Outcome] = {
    # A BYE, a CANCEL, a ringing and a media time-out of the bridge all look like this.
    "CLIENT_INITIATED": "caller_hung_up",
    "UNKNOWN_REASON": "caller_hung_up",
    "SIGNAL_CLOSE": "caller_hung_up",  # a browser whose page was closed
    "USER_UNAVAILABLE": "no_answer",
    "USER_REJECTED": "rejected",
    "ROOM_DELETED": "cancelled",
    "PARTICIPANT_REMOVED": "cancelled",
    "ROOM_CLOSED": "cancelled",
}
"""The caller left the room; anything else is ``trunk_failure``."""

BY_ROOM: Mapping[str, Outcome] = {
    "ROOM_DELETED": "cancelled",
    "PARTICIPANT_REMOVED": "cancelled",
    "ROOM_CLOSED": "cancelled",
}
"""The bot lost the room; anything else is ``worker_lost``."""

BY_ERROR: Mapping[str, Outcome] = {
    "caller_left": "caller_hung_up",
    "no_caller": "caller_hung_up",
    "room_closed": "caller_hung_up",
}
"""The line could not be opened; anything else is ``trunk_failure``."""

BY_LEG: Mapping[LegOutcome, Outcome] = {
    "busy": "busy",
    "no_answer": "no_answer",
    "declined": "rejected",
    "refused": "rejected",
    "invalid_number": "invalid_number",
    "trunk_failure": "trunk_failure",
    "failed": "trunk_failure",
    "unknown": "trunk_failure",
}
"""Nobody answered the phone that was dialled."""


def ending_of_line(reason: str) -> Ending:
    """The end of a call that was there.

    Args:
        reason: ``caller:CLIENT_INITIATED`` or ``room:ROOM_DELETED``: who, and LiveKit's
            ``DisconnectReason``; ``device:LOST`` of a sound card.
    """
    who, _, what = reason.partition(":")
    if who == "caller":
        return Ending(BY_CALLER.get(what, "trunk_failure"), reason)
    return Ending(BY_ROOM.get(what, "worker_lost"), reason)


def ending_of_error(error: LineError) -> Ending:
    """The end of a call whose line could not be opened."""
    return Ending(BY_ERROR.get(error.code, "trunk_failure"), f"line:{error.code}")


def ending_of_leg(outcome: LegOutcome, sip_code: int | None, sip_status: str = "") -> Ending:
    """The end of a call whose phone was dialled and did not answer.

    Args:
        outcome: Anything but ``answered``.
        sip_code: The final SIP status, where it is known.
        sip_status: Its reason phrase.
    """
    said = " ".join(str(part) for part in (sip_code, sip_status) if part)
    return Ending(BY_LEG[outcome], f"sip:{said}" if said else f"leg:{outcome}")


def bye_headers(ending: Ending | None, call_id: str) -> dict[str, str]:
    """SIP headers of our BYE, for the trunk or PBX that bills, reports or goes on with the call."""
    outcome = ending.outcome if ending else "worker_lost"
    return {"X-Switchboard-Outcome": outcome, "X-Switchboard-Call": call_id}
