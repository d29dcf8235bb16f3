"""What livekit-server checks of a SIP request before anything is done. Pure.

Source: livekit/protocol ``livekit/sip.go``, ``livekit/sip_validation.go``.
"""

import re
from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from livekit.protocol import sip as pb

from local.exchange.tokens import Claims
from local.exchange.twirp import TwirpError

_HEADER_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,255}")
_OWN_HEADERS = frozenset(
    (
        *("accept", "accept-encoding", "accept-language", "allow", "allow-events", "call-id"),
        *("contact", "content-encoding", "content-length", "content-type", "cseq", "event"),
        *("expires", "from", "max-forwards", "record-route", "refer-to", "reply-to", "to", "via"),
        *("k", "l", "m", "o", "r", "t", "u", "v"),
    )
)
_MAX_VALUE = 1024
_NOT_SERVED = ("sip_request_uri", "sip_to_header", "sip_from_header", "to_user_override")


def require_sip(claims: Claims | None, grant: str) -> None:
    """Demand the SIP grant ``admin`` or ``call``."""
    if claims is None or not claims.sip.get(grant):
        raise TwirpError("unauthenticated", "permissions denied")


def check_dial(request: pb.CreateSIPParticipantRequest) -> None:
    """Check a CreateSIPParticipant request.

    Raises:
        TwirpError: ``invalid_argument``; ``unimplemented`` for fields that are not served here.
    """
    if not (request.sip_trunk_id or request.HasField("trunk") or request.sip_number):
        _refuse("missing sip trunk id and sip number")
    if not request.sip_call_to:
        _refuse("missing sip callee number")
    if "@" in request.sip_call_to:
        _refuse("SipCallTo should be a phone number or SIP user, not a full SIP URI")
    if not request.room_name:
        _refuse("missing room name")
    if len(request.display_name) > 128:
        _refuse("DisplayName too long (max 128 characters)")
    check_headers(request.headers)
    if request.HasField("trunk"):
        _check_host(request.trunk.hostname, "trunk hostname")
    for field, _ in request.ListFields():
        if field.name in _NOT_SERVED:
            raise TwirpError("unimplemented", f"{field.name} is not served here")


def check_transfer(request: pb.TransferSIPParticipantRequest) -> str:
    """Check a TransferSIPParticipant request; returns the URI to refer to.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    if not request.room_name:
        _refuse("Missing room name")
    if not request.participant_identity:
        _refuse("Missing participant identity")
    if not request.transfer_to:
        _refuse("missing transfer to")
    uri = request.transfer_to
    if uri.startswith("<") and uri.endswith(">"):
        uri = uri[1:-1]
    if not uri.startswith(("sip:", "sips:", "tel:")):
        _refuse("transfer_to must be a valid SIP(s) or TEL URI (sip:, sips: or tel:)")
    check_headers(request.headers)
    return uri


def check_outbound_trunk(trunk: pb.SIPOutboundTrunkInfo) -> None:
    """Check an outbound trunk.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    if not trunk.numbers:
        _refuse("no trunk numbers specified")
    if not trunk.address:
        _refuse("no outbound address specified")
    _check_host(trunk.address, "trunk address")
    _check_host(trunk.from_host, "from_host")
    check_headers(trunk.headers)


def check_inbound_trunk(trunk: pb.SIPInboundTrunkInfo) -> None:
    """Check an inbound trunk by itself.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    if not (trunk.numbers or trunk.allowed_addresses or trunk.auth_username or trunk.auth_password):
        _refuse(
            "for security, one of the fields must be set: AuthUsername+AuthPassword, "
            "AllowedAddresses or Numbers"
        )
    check_headers(trunk.headers)


def secs(duration: Duration) -> float:
    """Seconds of a duration; 0 when it is not set."""
    return duration.ToTimedelta().total_seconds()


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers that a request adds to a SIP message.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            _refuse(f"invalid header name: header name {name} contains invalid characters")
        if name.lower() in _OWN_HEADERS:
            _refuse(f"invalid header name: header name {name} not supported")
        if len(value) > _MAX_VALUE:
            _refuse(f"header {name}: value too long (max {_MAX_VALUE} characters)")
        if any(ord(char) < 32 and char != "\t" or char == "\x7f" for char in value):
            _refuse(f"invalid header value for {name}")


def _check_host(address: str, what: str) -> None:
    if "transport=" in address:
        _refuse(f"{what} should not contain transport parameter")
    if "@" in address or ";" in address or address.startswith(("sip:", "sips:")):
        _refuse(f"{what} should be a hostname or IP, not SIP URI")


def _refuse(message: str) -> None:
    raise TwirpError("invalid_argument", message)
