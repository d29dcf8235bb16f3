"""The HTTP API as OpenAPI 3.1 tells it."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from records.call_record import CallRecord
from records.events import EVENT
from server.api_calls import MAX_LIMIT
from server.openapi_placing import PLACE_CALL
from server.openapi_web import WEB_PATHS
from server.placing_request import CallRequest

_REF = "#/components/schemas/{model}"
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_OPEN: list[dict[str, list[str]]] = [{}]


def _version() -> str:
    try:
        return version("switchboard")
    except PackageNotFoundError:
        return "0"


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": _PROBLEM}


def _query(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


def _operation(summary: str, responses: dict[str, Any], **more: Any) -> dict[str, Any]:
    if "security" not in more:
        responses = {**responses, "401": _problem("The key is missing or wrong")}
    return {"summary": summary, "responses": responses, **more}


_RECORD = {"$ref": _REF.format(model="CallRecord")}
_LIVEKIT = _object(
    url={"type": "string"},
    up={"type": "boolean", "description": "its worker is registered and its API answers"},
    problem={"type": "string"},
)
_READY = _object(
    ready={"type": "boolean"},
    reasons={"type": "array", "items": {"type": "string"}},
    livekits={"type": "array", "items": _LIVEKIT},
)
_STREAM = {
    "description": "`id` is the event's number, `event` its type, `data` the event as JSON",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
_WAV = {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
_NO_CALL = _problem("There is no such call")


def _paths() -> dict[str, Any]:
    calls = _object(
        calls={"type": "array", "items": _RECORD}, next_before={"type": ["string", "null"]}
    )
    ending = _object(call_id={"type": "string"}, status={"const": "ending"})
    return {
        "/healthz": {
            "get": _operation(
                "Whether the server lives",
                {"200": _json("It does", _object(status={"const": "ok"}))},
                security=_OPEN,
            )
        },
        "/readyz": {
            "get": _operation(
                "Whether a call can be taken",
                {"200": _json("It can", _READY), "503": _json("It cannot", _READY)},
                security=_OPEN,
            )
        },
        "/metrics": {
            "get": _operation(
                "Counters for Prometheus",
                {
                    "200": {
                        "description": "Prometheus text",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
            )
        },
        "/openapi.json": {
            "get": _operation(
                "This description",
                {"200": _json("OpenAPI 3.1", {"type": "object"})},
                security=_OPEN,
            )
        },
        "/calls": {
            "post": PLACE_CALL,
            "get": _operation(
                "Calls, newest first; `outcome` is null while a call runs",
                {"200": _json("One page", calls), "400": _problem("A parameter is wrong")},
                parameters=[
                    _query(
                        "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}, "Calls"
                    ),
                    _query("before", {"type": "string"}, "`next_before` of the page before"),
                ],
            ),
        },
        "/calls/{id}": {
            "parameters": [_ID],
            "get": _operation("One call", {"200": _json("Its record", _RECORD), "404": _NO_CALL}),
            "delete": _operation(
                "Hang up",
                {
                    "202": _json("The call is ending", ending),
                    "400": _problem("A parameter is wrong"),
                    "404": _NO_CALL,
                    "409": _problem("The call is over"),
                },
                parameters=[
                    _query("now", {"enum": ["0", "1"]}, "1: do not let the bot finish its sentence")
                ],
            ),
        },
        "/calls/{id}/events": {
            "parameters": [_ID],
            "get": _operation(
                "A call's events, then those that come, until its record is saved",
                {
                    "200": _STREAM,
                    "204": {"description": "The call is over and no further event will come"},
                    "400": _problem("Last-Event-ID is no number"),
                    "404": _NO_CALL,
                },
                parameters=[
                    {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"}},
                    _query("after", {"type": "integer"}, "The same, for clients without headers"),
                ],
            ),
        },
        "/calls/{id}/audio": {
            "parameters": [_ID],
            "get": _operation(
                "The recording: left the caller, right the bot",
                {
                    "200": {"description": "All of it", "content": _WAV},
                    "206": {"description": "The range asked for", "content": _WAV},
                    "404": _problem("There is no such call, or it has no recording yet"),
                    "416": _problem("The range lies outside"),
                },
            ),
        },
        "/events": {"get": _operation("Events of all calls from now on", {"200": _STREAM})},
        "/webhooks/livekit": {
            "post": _operation(
                "LiveKit's webhooks, signed with its key",
                {
                    "200": _json("Taken, or known already", _object(taken={"type": "boolean"})),
                    "401": _problem("Not signed with LiveKit's key"),
                },
                requestBody={"content": {"application/webhook+json": {"schema": {}}}},
                security=_OPEN,
            )
        },
        **WEB_PATHS,
    }


def _schemas() -> dict[str, Any]:
    _, record = models_json_schema([(CallRecord, "serialization")], ref_template=_REF)
    event = TypeAdapter(EVENT._type).json_schema(ref_template=_REF, mode="serialization")
    schemas = {**event.pop("$defs", {}), **record.get("$defs", {}), "Event": event}
    schemas["CallRequest"] = CallRequest.model_json_schema(ref_template=_REF)
    problem = _object(type={"type": "string"}, title={"type": "string"}, status={"type": "integer"})
    problem["properties"] |= {
        "code": {"type": "string"},
        "retry_after_secs": {"type": "integer"},
    }
    schemas["Problem"] = problem
    return schemas


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Switchboard",
        "version": _version(),
        "description": "Calls of telephone bots: live, recorded, measured.",
    },
    "paths": _paths(),
    "components": {
        "schemas": _schemas(),
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    },
    "security": [{"key": []}],
}
