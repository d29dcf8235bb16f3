"""What a failed dial or transfer looks like to the API's caller and to the room. Pure.

Source: livekit/protocol ``livekit/sip.go`` (sipCodeToGRPCCode), livekit-sip ``pkg/sip/errors.go``,
both as observed through livekit-api.
"""

from dataclasses import dataclass
from http import HTTPStatus

from livekit.protocol import models

from local.exchange.twirp import TwirpError
from local.sip.call_end import CallEnd
from local.sip.refer import ReferResult

_PREFIX = "twirp error unknown: "
_NO_CREDENTIALS = "sip server required auth, but no username or password was provided"
_WRONG_CREDENTIALS = "max auth retry attempts reached for SIP invite"
_CODES = {
    **dict.fromkeys((401, 402, 403, 433, 470, 603, 607, 608), "permission_denied"),
    **dict.fromkeys((301, 302, 404, 410, 481, 604), "not_found"),
    **dict.fromkeys((407, 428, 436, 437, 438, 494), "unauthenticated"),
    **dict.fromkeys((408, 504), "deadline_exceeded"),
    **dict.fromkeys((440, 480, 486, 600), "resource_exhausted"),
    **dict.fromkeys((487, 491), "aborted"),
    **dict.fromkeys((409, 412, 482, 483, 500, 501, 502, 503), "failed_precondition"),
    416: "out_of_range",
}
# livekit-sip words these "INVITE failed", all others "unexpected status".
_EXPECTED = (400, 404, 480, 486, 488)
_UNAVAILABLE = (404, 408, 480)


@dataclass(frozen=True)
class DialFailure:
    """Why a call placed was not answered.

    Parameters:
        error: For the API's caller.
        reason: With which the participant leaves the room.
    """

    error: TwirpError
    reason: models.DisconnectReason


def dial_failure(end: CallEnd, *, with_password: bool) -> DialFailure:
    """Explain the end of a call that was never answered.

    Args:
        end: How the SIP side ended it.
        with_password: Whether the trunk has credentials.
    """
    status = end.status or 0
    if end.by != "remote":
        return abandoned()
    if status in (401, 407):
        message = _WRONG_CREDENTIALS if with_password else _NO_CREDENTIALS
        return DialFailure(
            TwirpError("failed_precondition", _PREFIX + message), models.USER_REJECTED
        )
    what = "INVITE failed" if status in _EXPECTED else "unexpected status from INVITE response"
    return DialFailure(refused(status, end.phrase, what), _reason(status))


def abandoned() -> DialFailure:
    """Nobody answered in time, or the call was taken back."""
    error = TwirpError("canceled", _PREFIX + "sip request timed out")
    return DialFailure(error, models.USER_UNAVAILABLE)


def transfer_failure(result: ReferResult) -> TwirpError:
    """Explain a REFER that did not succeed."""
    if result.outcome == "unknown":
        return TwirpError("deadline_exceeded", _PREFIX + "request timed out")
    what = "call transfer failed" if result.outcome == "failed" else ""
    return refused(result.status, result.phrase, what)


def refused(status: int, phrase: str, what: str = "") -> TwirpError:
    """Put a SIP status into an API error; livekit-api makes a ``SipCallError`` of its meta."""
    phrase = phrase or _phrase(status)
    parts = [what, f"sip status: {status}: {phrase}"]
    meta = {"sip_status_code": str(status), "sip_status": phrase}
    return TwirpError(_code(status), _PREFIX + ": ".join(filter(None, parts)), meta)


def invalid(message: str) -> TwirpError:
    """Refuse a request before any SIP."""
    return TwirpError("invalid_argument", _PREFIX + message)


def _code(status: int) -> str:
    if status in _CODES:
        return _CODES[status]
    return "failed_precondition" if 500 <= status < 600 else "invalid_argument"


def _reason(status: int) -> models.DisconnectReason:
    if status in _UNAVAILABLE:
        return models.USER_UNAVAILABLE
    if 400 <= status < 500 or status >= 600:
        return models.USER_REJECTED
    return models.CLIENT_INITIATED


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else str(status)
