"""Serves LiveKit's HTTP API (Twirp): services and message types come from the descriptors."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message
from livekit.protocol import agent_dispatch, egress, room, sip
from loguru import logger

from local.exchange.tokens import Claims, TokenError, read_token

# Importing them registers their descriptors.
_REGISTERED = (agent_dispatch, egress, room, sip)
_STATUS = {
    "canceled": 408,
    "unknown": 500,
    "invalid_argument": 400,
    "malformed": 400,
    "deadline_exceeded": 408,
    "not_found": 404,
    "bad_route": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "unauthenticated": 401,
    "resource_exhausted": 429,
    "failed_precondition": 412,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "dataloss": 500,
}


class TwirpError(Exception):
    """An error of the API; livekit-api raises it at the caller as ``ServerError``."""

    def __init__(self, code: str, message: str, meta: Mapping[str, str] | None = None):
        """Initialize the error.

        Args:
            code: Twirp code, such as ``not_found``.
            message: What the caller reads.
            meta: Further facts, such as ``sip_status_code``.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.meta = dict(meta or {})


def require(claims: Claims | None, grant: str, room: str | None = None) -> None:
    """Demand a video grant.

    Raises:
        TwirpError: ``unauthenticated``, as livekit-server answers a missing grant.
    """
    if claims is None or not claims.grants(grant, room):
        raise TwirpError("unauthenticated", "permissions denied")


class TwirpApi:
    """Calls ``await service.create_room(request, claims)`` for ``RoomService/CreateRoom``."""

    def __init__(self, keys: Mapping[str, str], services: Mapping[str, Sequence[object]]):
        """Serve ``services``.

        Args:
            keys: API secrets by API key.
            services: By full name (``livekit.RoomService``) the parts that have its methods.
        """
        self._keys, self._services = keys, services

    def routes(self) -> list[web.RouteDef]:
        """Return the HTTP routes."""
        return [web.post("/twirp/{service}/{method}", self._handle)]

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            claims = read_token(request.headers.get("Authorization"), None, self._keys)
        except TokenError as exc:  # before Twirp, hence plain text
            return web.Response(status=exc.status, text=exc.text)
        try:
            return await self._call(request, claims)
        except TwirpError as exc:
            return _error_response(exc)
        except Exception:
            logger.exception(f"{request.path} failed")
            return _error_response(TwirpError("internal", "internal error"))

    async def _call(self, request: web.Request, claims: Claims | None) -> web.Response:
        method = request.match_info["method"]
        message_type, handler = self._find(request.match_info["service"], method, request.path)
        message = message_type()
        as_json = request.content_type == "application/json"
        body = await request.read()
        try:
            if as_json:
                json_format.Parse(body, message, ignore_unknown_fields=True)
            else:
                message.ParseFromString(body)
        except (DecodeError, json_format.ParseError, UnicodeDecodeError) as exc:
            raise TwirpError("malformed", "the request body could not be decoded") from exc
        answer = await handler(message, claims)
        if as_json:
            text = json_format.MessageToJson(
                answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            return web.Response(text=text, content_type="application/json")
        return web.Response(body=answer.SerializeToString(), content_type="application/protobuf")

    def _find(
        self, service: str, method: str, path: str
    ) -> tuple[type[Message], Callable[[Any, Claims | None], Awaitable[Message]]]:
        try:
            descriptor = descriptor_pool.Default().FindServiceByName(service)
            input_type = descriptor.methods_by_name[method].input_type
        except KeyError as exc:
            raise TwirpError("bad_route", f"no handler for path {path}") from exc
        name = _snake_case(method)
        parts = self._services.get(service, ())
        handler = next((h for part in parts if (h := getattr(part, name, None))), None)
        if handler is None:
            raise TwirpError("unimplemented", f"{method} is not implemented")
        return message_factory.GetMessageClass(input_type), handler


def _snake_case(method: str) -> str:
    """Write ``CreateSIPInboundTrunk`` as ``create_sip_inbound_trunk``."""
    words = re.findall(r"SIP|[A-Z][a-z]*", method)
    return "_".join(word.lower() for word in words)


def _error_response(error: TwirpError) -> web.Response:
    body: dict[str, Any] = {"code": error.code, "msg": error.message}
    if error.meta:
        body["meta"] = error.meta
    return web.Response(
        status=_STATUS.get(error.code, 500),
        text=json.dumps(body),
        content_type="application/json",
    )
