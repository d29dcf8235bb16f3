"""A call as it happens, for people: server-sent events in, lines out."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

PATIENCE_SECS = 45.0
"""The server sends a line every 15 s, whatever happens."""


async def events_of(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The events of one stream, each as it comes.

    Source: WHATWG HTML, "Server-sent events"; the server sends one line of data an event.
    """
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def line_of(event: dict[str, Any]) -> str | None:
    """What a person is told of an event; None for nothing."""
    text = _text_of(event)
    return None if text is None else f"{event['t']:7.1f}  {text}"


def _text_of(event: dict[str, Any]) -> str | None:
    match event["type"]:
        case "bot_ready":
            return f"bot ready after {event['ready_secs']:.2f} s"
        case "dial_started":
            again = f", attempt {event['attempt']}" if event["attempt"] > 1 else ""
            return f"dialling {event['number']} for up to {event['ring_secs']:g} s{again}"
        case "phone_rang":
            return "it rings"
        case "dial_ended" if event["outcome"] not in ("answered", "cancelled"):
            code = f" ({event['sip_code']} {event['sip_status']})" if event["sip_code"] else ""
            return f"not answered: {event['outcome']}{code}"
        case "answered":
            return "answered"
        case "turn_ended":
            return f"them  {event['text']}"
        case "bot_spoke":
            cut = " [interrupted]" if event["interrupted"] else ""
            return f"bot   {event['text']}{cut}"
        case "tool_called":
            return f"tool  {event['name']}"
        case "keys_entered":
            return f"keys  {event['keys']}" if event["keys"] else "keys  (secret)"
        case "error_raised":
            return f"error {event['source']}: {event['message']}"
        case "call_ended":
            reason = f" ({event['reason']})" if event["reason"] else ""
            return f"ended: {event['outcome']}{reason}"
    return None
