"""``WS /tts/websocket`` as Cartesia serves it.

Source: pipecat services/cartesia/tts.py (what it sends and reads).
"""

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from local.providers.access import Access
from local.providers.faults import Faults
from local.providers.socket_wire import SocketWire, accept
from local.providers.speech_context import (
    SpeechContext,
    SpeechFormat,
    SpeechRequestError,
    failure,
)
from local.providers.voice_pool import VoicePool


class CartesiaHandler:
    """Serves any number of sockets from one pool of voices."""

    def __init__(self, pool: VoicePool, access: Access, faults: Faults, *, clauses: bool = False):
        """Initialize the handler; ``clauses``: cut long sentences at clause marks."""
        self._pool = pool
        self._access = access
        self._faults = faults
        self._clauses = clauses

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until the client leaves."""
        accepted = await accept(request, "tts", self._access, self._faults)
        if isinstance(accepted, web.Response):
            return accepted
        socket, wire = accepted
        connection = _Connection(wire, self._pool, clauses=self._clauses)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await connection.on_text(message.data)
        finally:
            await connection.close()
        return socket


class _Connection:
    """One socket: a context for each bot turn."""

    def __init__(self, wire: SocketWire, pool: VoicePool, *, clauses: bool):
        self._wire = wire
        self._pool = pool
        self._clauses = clauses
        self._contexts: dict[str, tuple[SpeechContext, asyncio.Task[None]]] = {}
        self._cancelled: set[asyncio.Task[None]] = set()

    async def on_text(self, text: str) -> None:
        try:
            message = json.loads(text)
            context_id = str(message.get("context_id") or "")
        except (ValueError, AttributeError):
            await self._wire.send(failure(400, "invalid message", "no JSON object", "bad_request"))
            return
        if message.get("cancel"):
            self._cancel(context_id)
            return
        try:
            await self._on_transcript(context_id, message)
        except (SpeechRequestError, TypeError, ValueError) as error:
            problem = failure(400, "invalid request", str(error), "invalid_request")
            await self._wire.send({**problem, "context_id": context_id})

    async def close(self) -> None:
        for context_id in list(self._contexts):
            self._cancel(context_id)
        await asyncio.gather(*self._cancelled, return_exceptions=True)

    async def _on_transcript(self, context_id: str, message: dict[str, Any]) -> None:
        end = not message.get("continue", False)
        text = str(message.get("transcript", ""))
        if context_id not in self._contexts:
            format = SpeechFormat.from_message(message)
            if end and not text.strip():  # nothing was ever said in it
                done = {"type": "done", "done": True, "status_code": 200, "context_id": context_id}
                await self._wire.send(done)
                return
            self._contexts[context_id] = self._open(context_id, format)
        self._contexts[context_id][0].add(text, end=end)

    def _open(
        self, context_id: str, format: SpeechFormat
    ) -> tuple[SpeechContext, asyncio.Task[None]]:
        async def send(message: dict[str, Any]) -> None:
            await self._wire.send({**message, "context_id": context_id})

        before = self._wire.faults.before_answer
        context = SpeechContext(format, self._pool, send, before, clauses=self._clauses)
        task = asyncio.create_task(context.run())
        task.add_done_callback(lambda done: self._forget(context_id, done))
        return context, task

    def _cancel(self, context_id: str) -> None:
        if opened := self._contexts.pop(context_id, None):
            context, task = opened
            context.cancel()
            task.cancel()
            self._cancelled.add(task)
            task.add_done_callback(self._cancelled.discard)

    def _forget(self, context_id: str, task: asyncio.Task[None]) -> None:
        opened = self._contexts.get(context_id)
        if opened and opened[1] is task:
            del self._contexts[context_id]
