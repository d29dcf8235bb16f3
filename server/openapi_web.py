"""Calls from a browser, as OpenAPI tells them."""

from typing import Any

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_OPEN: list[dict[str, list[str]]] = [{}]
_TEXT = {"type": "string"}
_WEB_CALL = {
    "type": "object",
    "properties": dict.fromkeys(("call_id", "room", "url", "identity", "token"), _TEXT),
    "required": ["call_id", "identity", "room", "token", "url"],
}


def _said(description: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": _PROBLEM}


def _name(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


WEB_PATHS: dict[str, Any] = {
    "/call/{bot}": {
        "parameters": [_name("bot")],
        "get": {
            "summary": "The page that calls a bot from a browser",
            "responses": {
                "200": _said("The page", "text/html", _TEXT),
                "404": _said("The page, which says that nobody can be called", "text/html", _TEXT),
            },
            "security": _OPEN,
        },
        "post": {
            "summary": "Begins a call; the browser has a minute to join it",
            "responses": {
                "201": _said("What a LiveKit client joins with", "application/json", _WEB_CALL),
                "403": _problem("The page's origin is not allowed"),
                "404": _problem("No such bot takes calls from a browser"),
                "429": _problem("Too many calls from this address; Retry-After says when again"),
                "503": _problem("No call can be taken now"),
            },
            "security": _OPEN,
        },
    },
    "/web/{name}": {
        "parameters": [_name("name")],
        "get": {
            "summary": "A file of the page",
            "responses": {
                "200": {"description": "The file"},
                "404": _problem("There is none of this name"),
            },
            "security": _OPEN,
        },
    },
}
"""Paths of ``server.web_routes``."""
