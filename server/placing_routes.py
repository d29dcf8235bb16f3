"""``POST /calls``: a call is placed by HTTP."""

import hashlib
import json
from collections.abc import Mapping

from aiohttp import web
from pydantic import ValidationError

from server.placement import PlacementError
from server.placing import Placing
from server.placing_request import CallRequest
from server.problem_details import ApiProblem

STATUS: Mapping[str, tuple[int, str]] = {
    "invalid_request": (400, "Bad Request"),
    "invalid_number": (400, "Bad Request"),
    "unknown_bot": (400, "Bad Request"),
    "unknown_variable": (400, "Bad Request"),
    "missing_variable": (400, "Bad Request"),
    "no_trunk": (400, "Bad Request"),
    "caller_id_not_allowed": (403, "Forbidden"),
    "country_not_allowed": (403, "Forbidden"),
    "number_blocked": (403, "Forbidden"),
    "premium_number": (403, "Forbidden"),
    "opted_out": (403, "Forbidden"),
    "idempotency_key_reused": (409, "Conflict"),
    "too_many_calls_to_number": (429, "Too Many Requests"),
    "too_many_calls": (429, "Too Many Requests"),
    "trunk_full": (429, "Too Many Requests"),
    "livekit_refused": (502, "Bad Gateway"),
    "livekit_unreachable": (503, "Service Unavailable"),
    "server_full": (503, "Service Unavailable"),
    "server_stopping": (503, "Service Unavailable"),
}
"""By the problem's code."""
KEY_HEADER = "Idempotency-Key"


class PlacingRoutes:
    """Answers ``POST /calls``."""

    def __init__(self, placing: Placing):
        """Initialize with who places calls."""
        self._placing = placing

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/calls", self._place)]

    async def _place(self, request: web.Request) -> web.Response:
        asked = await _request_of(request)
        try:
            placed = await self._placing.place(asked, _key_name(request))
        except PlacementError as error:
            raise problem_of(error) from error
        body = {
            "call_id": placed.call_id,
            "call_type": asked.call_type,
            "room": placed.room,
            "bot": asked.bot,
            "repeated": placed.repeated,
        }
        if asked.call_type == "sip":
            body["phone_number"] = placed.number
        if not placed.repeated:
            body["attempt"] = placed.attempt
        if placed.web:
            body |= {**placed.web.for_browser(), "page": placed.web.page(asked.bot)}
        headers = {"Location": f"/calls/{placed.call_id}"}
        return web.json_response(body, status=201, headers=headers)


def problem_of(error: PlacementError) -> ApiProblem:
    """The answer to a call that is not placed."""
    status, title = STATUS[error.code]
    return ApiProblem(
        status,
        title,
        error.message,
        code=error.code,
        retry_after_secs=error.retry_after_secs,
    )


async def _request_of(request: web.Request) -> CallRequest:
    try:
        body = json.loads(await request.read())
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")
        header = request.headers.get(KEY_HEADER)
        if header and "idempotency_key" not in body:
            body["idempotency_key"] = header
        return CallRequest.model_validate(body)
    except ValidationError as error:
        problems = [_told(details["loc"], details["msg"]) for details in error.errors()]
        detail, more = "; ".join(problems), {"problems": problems}
    except ValueError as error:  # also what is no JSON, or no UTF-8
        detail, more = f"send a JSON object: {error}", None
    raise ApiProblem(400, "Bad Request", detail, code="invalid_request", more=more)


def _told(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in place)
    message = message.removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _key_name(request: web.Request) -> str:
    """Names the key without telling it: it is kept beside the calls."""
    key = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return hashlib.sha256(key.encode()).hexdigest()[:16]
