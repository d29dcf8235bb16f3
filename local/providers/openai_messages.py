"""The bodies that OpenAI's chat completions API sends.

Source: openai 3.54 types/chat; pipecat services/openai/base_llm.py reads them.
"""

import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "local-responder")
_ARGUMENT_PIECE = 12
_LETTERS_A_TOKEN = 4
_ERRORS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not allowed."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached."),
    500: ("server_error", None, "The server had an error while processing your request."),
    502: ("server_error", None, "The server behind this one did not answer."),
    503: ("server_error", None, "The engine is currently overloaded."),
}


@dataclass(frozen=True)
class Answer:
    """What a brain says to one request.

    Parameters:
        text: To be spoken; may come before a tool call.
        tool: Name of the tool to call, if any.
        arguments: Its arguments.
    """

    text: str = ""
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def finish_reason(self) -> str:
        """OpenAI's word for how the answer ended."""
        return "tool_calls" if self.tool else "stop"


class Completion:
    """One answer in OpenAI's shapes, whole or streamed."""

    def __init__(self, answer: Answer, body: dict[str, Any]):
        """Initialize from the answer and the request's body."""
        self._answer = answer
        self._with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": body.get("model", "local-responder"),
            "system_fingerprint": "local",
        }
        asked = _tokens(json.dumps(body.get("messages")))
        said = _tokens(answer.text + (json.dumps(answer.arguments) if answer.tool else ""))
        self._usage = {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def whole(self) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": self._answer.text or None}
        if self._answer.tool:
            message["tool_calls"] = [self._call()]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self._answer.finish_reason,
            "logprobs": None,
        }
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self._usage,
        }

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The chunks of a streamed answer, in OpenAI's order, one word each."""
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})
        for token in re.findall(r"\s*\S+", self._answer.text):
            yield self._chunk({"content": token})
        if self._answer.tool:
            yield from self._call_chunks()
        yield self._chunk({}, self._answer.finish_reason)
        if self._with_usage:
            usage = {"choices": [], "usage": self._usage}
            yield {**self._head, "object": "chat.completion.chunk", **usage}

    def _call_chunks(self) -> Iterator[dict[str, Any]]:
        call = self._call()
        arguments = call["function"]["arguments"]
        call["function"]["arguments"] = ""
        yield self._chunk({"tool_calls": [{"index": 0, **call}]})
        for at in range(0, len(arguments), _ARGUMENT_PIECE):
            piece = {"arguments": arguments[at : at + _ARGUMENT_PIECE]}
            yield self._chunk({"tool_calls": [{"index": 0, "function": piece}]})

    def _call(self) -> dict[str, Any]:
        function = {"name": self._answer.tool, "arguments": json.dumps(self._answer.arguments)}
        return {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def error(status: int, message: str | None = None) -> web.Response:
    """A refused request, as OpenAI words it; 429 names a short time to wait."""
    kind, code, text = _ERRORS.get(status, ("server_error", None, "Error."))
    headers = {"x-request-id": uuid.uuid4().hex}
    if status == 429:
        headers["retry-after-ms"] = "200"
    body = {"message": message or text, "type": kind, "param": None, "code": code}
    return web.json_response({"error": body}, status=status, headers=headers)


def models() -> dict[str, Any]:
    """The body of ``GET /v1/models``."""
    data = [{"id": m, "object": "model", "created": 0, "owned_by": "local"} for m in MODELS]
    return {"object": "list", "data": data}


def _tokens(text: str) -> int:
    return max(1, len(text) // _LETTERS_A_TOKEN)
