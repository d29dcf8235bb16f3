"""``POST /v1/chat/completions`` and ``GET /v1/models`` as OpenAI serves them.

Source: pipecat services/openai/base_llm.py and openai 3.54 (what they send and read).
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Protocol

from aiohttp import web

from local.providers import openai_messages as messages
from local.providers.access import Access, key_of
from local.providers.faults import Faults, FaultSession
from local.providers.upstream import Upstream, UpstreamError

_NEVER_SECS = 3600.0


class Brain(Protocol):
    """Answers a conversation."""

    def answer(
        self, conversation: list[dict[str, Any]], tools: list[dict[str, Any]]
    ) -> messages.Answer:
        """What to say or which tool to call next."""
        ...


class OpenAIHandler:
    """Answers by the responder, or passes on to another server."""

    def __init__(
        self,
        brain: Brain,
        access: Access,
        faults: Faults,
        *,
        upstream: Upstream | None = None,
        token_secs: float = 0.0,
    ):
        """Initialize the handler.

        Args:
            brain: Answers when there is no upstream.
            access: Which keys are let in.
            faults: What goes wrong on purpose.
            upstream: Another OpenAI-compatible server that answers instead.
            token_secs: Pause between two streamed words.
        """
        self._brain = brain
        self._access = access
        self._faults = faults
        self._upstream = upstream
        self._token_secs = token_secs

    async def models(self, request: web.Request) -> web.Response:
        """Name the models."""
        if not self._access.allows(key_of(request)):
            return messages.error(401)
        if self._upstream:
            try:
                return web.json_response(await self._upstream.models())
            except UpstreamError as error:
                return messages.error(error.status, str(error))
        return web.json_response(messages.models())

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, streamed if it asks for that."""
        key = key_of(request)
        if not self._access.allows(key):
            return messages.error(401)
        try:
            if fault := self._faults.take("llm", key, "status"):
                return messages.error(int(fault.rule.value))
            session = self._faults.session("llm", key)
            body = _checked(await request.read())
        except ValueError as error:  # FaultError is one
            return messages.error(400, str(error))
        if session.silent:
            await asyncio.sleep(_NEVER_SECS)
        await session.before_answer()
        try:
            if body.get("stream"):
                return await self._stream(request, session, body)
            if self._upstream:
                return web.json_response(await self._upstream.complete(body))
        except UpstreamError as error:
            return messages.error(error.status, str(error))
        return web.json_response(self._complete(body).whole())

    async def _stream(
        self, request: web.Request, session: FaultSession, body: dict[str, Any]
    ) -> web.StreamResponse:
        chunks = self._upstream.stream(body) if self._upstream else self._own_chunks(body)
        first = await anext(chunks, None)  # an upstream that refuses does so before it streams
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        wire = _EventWire(request, response)
        try:
            while first is not None:
                if not await session.before_message(wire):
                    if wire.closed:
                        return response
                    await asyncio.sleep(_NEVER_SECS)
                await response.write(b"data: " + first.encode() + b"\n\n")
                first = await anext(chunks, None)
            await response.write(b"data: [DONE]\n\n")
            await response.write_eof()
        except ConnectionError:
            return response  # the client left, as it does at every interruption
        finally:
            await chunks.aclose()
        return response

    async def _own_chunks(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        for index, chunk in enumerate(self._complete(body).chunks()):
            if index > 1 and self._token_secs:
                await asyncio.sleep(self._token_secs)
            yield json.dumps(chunk)

    def _complete(self, body: dict[str, Any]) -> messages.Completion:
        tools = body.get("tools") or []
        offered = [] if body.get("tool_choice") == "none" else tools
        return messages.Completion(self._brain.answer(body["messages"], offered), body)


class _EventWire:
    """The sending side of one event stream."""

    def __init__(self, request: web.Request, response: web.StreamResponse):
        self._request = request
        self._response = response

    @property
    def closed(self) -> bool:
        return self._request.transport is None or self._request.transport.is_closing()

    async def close(self, code: int) -> None:
        self.abort()

    def abort(self) -> None:
        if self._request.transport:
            self._request.transport.abort()

    async def send_garbage(self) -> None:
        await self._response.write(b"data: {not json\n\n")


def _checked(data: bytes) -> dict[str, Any]:
    """The body of a request; raises ValueError, worded for the client."""
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ValueError("The body is not valid JSON.") from error
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise ValueError("Missing or invalid field: messages.")
    if not all(isinstance(message, dict) for message in body["messages"]):
        raise ValueError("Invalid field: messages holds something that is no object.")
    return body
