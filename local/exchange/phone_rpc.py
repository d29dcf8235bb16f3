"""The remote procedures that a phone in a room answers: EndCall and GetRemoteHeaders.

Source: livekit-sip be5d3f57 ``pkg/sip/rpc.go``.
"""

import json
from collections.abc import Mapping
from typing import Any

from livekit.protocol import models

from local.exchange.phone_call import PhoneCall
from local.exchange.sip_requests import check_headers
from local.exchange.twirp import TwirpError

END_CALL, GET_REMOTE_HEADERS = "lk.sip.EndCall", "lk.sip.GetRemoteHeaders"
# LiveKit's own error codes of RPC.
_UNSUPPORTED, _APPLICATION_ERROR = 1400, 1500
_KEPT_BACK = frozenset(
    (
        *("route", "record-route", "via", "supported", "accept", "allow", "allow-events", "cseq"),
        *("content-type", "content-length", "content-encoding", "content-disposition", "event"),
        *("expires", "session-expires", "min-se", "max-forwards"),
    )
)


def answer_rpc(phone: PhoneCall, request: models.RpcRequest, caller: str) -> None:
    """Carry a request out and answer it.

    Args:
        phone: Whom it is for.
        request: Method, and a JSON object or nothing as its payload.
        caller: Identity of who asked.
    """
    participant = phone.participant
    response = models.RpcResponse(request_id=request.id)
    ack = models.DataPacket(rpc_ack=models.RpcAck(request_id=request.id))
    participant.send_data(ack, caller)
    end_headers: dict[str, str] | None = None
    try:
        arguments = _arguments(request.payload)
        if request.method == GET_REMOTE_HEADERS:
            headers = _remote_headers(phone, arguments)
            response.payload = json.dumps({"headers": headers} if headers else {})
        elif request.method == END_CALL:
            end_headers = _end_headers(phone, arguments)
            response.payload = "{}"
        else:
            response.error.code = _UNSUPPORTED
            response.error.message = "Method not supported at destination"
    except (ValueError, TwirpError) as exc:
        response.error.code, response.error.message = _APPLICATION_ERROR, str(exc)
    participant.send_data(models.DataPacket(rpc_response=response), caller)
    if end_headers is not None:  # behind the answer, which could not leave any more
        phone.hang_up(end_headers)


def _arguments(payload: str) -> dict[str, Any]:
    arguments = json.loads(payload) if payload else {}
    if not isinstance(arguments, dict):
        raise ValueError("a JSON object is expected")
    return arguments


def _remote_headers(phone: PhoneCall, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Headers of the caller's INVITE, or of the 200 to an own one."""
    call = phone.call
    only = {str(name).lower() for name in arguments.get("include") or ()}
    skip = {str(name).lower() for name in arguments.get("exclude") or ()} | _KEPT_BACK
    return {
        name: value
        for name, value in (call.headers if call.incoming else call.answer_headers)
        if name.lower() not in skip and (not only or name.lower() in only)
    }


def _end_headers(phone: PhoneCall, arguments: Mapping[str, Any]) -> dict[str, str]:
    if phone.call.state == "ended":
        raise ValueError("call already ended")
    given = arguments.get("headers") or {}
    if not isinstance(given, dict):
        raise ValueError("headers: a JSON object is expected")
    headers = {str(name): str(value) for name, value in given.items()}
    check_headers(headers)
    return headers
