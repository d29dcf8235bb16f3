"""``POST /calls``, as OpenAPI tells it."""

from typing import Any

from server.placing_routes import KEY_HEADER, STATUS

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TEXT = {"type": "string"}
_PLACED = {
    "type": "object",
    "properties": {
        "call_id": _TEXT,
        "call_type": {"enum": ["sip", "webrtc"]},
        "room": _TEXT,
        "bot": _TEXT,
        "repeated": {"type": "boolean", "description": "The request had begun this call before"},
        "phone_number": {**_TEXT, "description": "sip: whom it calls, E.164"},
        "attempt": {
            "type": "integer",
            "description": "sip: 1 more than the calls to this number that nobody answered",
        },
        "url": {**_TEXT, "description": "webrtc: LiveKit's address for the browser"},
        "identity": {**_TEXT, "description": "webrtc: the caller's identity in the room"},
        "token": {**_TEXT, "description": "webrtc: joins the room, within a minute; a secret"},
        "page": {**_TEXT, "description": "webrtc: path of the page that joins the call"},
    },
    "required": ["call_id", "call_type", "room", "bot", "repeated"],
}


def _refused(status: int) -> dict[str, Any]:
    codes = [code for code, (its, _) in STATUS.items() if its == status]
    return {"description": f"Nothing is begun; `code`: {', '.join(codes)}", "content": _PROBLEM}


PLACE_CALL: dict[str, Any] = {
    "summary": "Place a call: to a telephone, or for a browser",
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "schema": _TEXT,
            "description": "The same as `idempotency_key` in the body",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CallRequest"}}},
    },
    "responses": {
        "201": {
            "description": "The call is begun; `GET /calls/{id}` tells what becomes of it",
            "headers": {"Location": {"schema": _TEXT}},
            "content": {"application/json": {"schema": _PLACED}},
        },
        "401": {"description": "The key is missing or wrong", "content": _PROBLEM},
        **{str(status): _refused(status) for status in sorted({s for s, _ in STATUS.values()})},
    },
}
"""The operation."""
