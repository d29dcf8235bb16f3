"""``WS /v1/listen`` as Deepgram serves it.

Source: pipecat services/deepgram/stt.py and deepgram-sdk 7.17 (what they send and read).
"""

import asyncio
import json
import time

from aiohttp import WSMessage, WSMsgType, web
from loguru import logger

from local.providers.access import Access
from local.providers.faults import Faults
from local.providers.listen_options import ListenOptions, ListenOptionsError
from local.providers.listen_session import ListenSession
from local.providers.recognizer_pool import RecognizerPool
from local.providers.socket_wire import SocketWire, accept, refusal

SILENT_CLOSE_SECS = 12.0


class DeepgramHandler:
    """Serves any number of streams from one pool of recognizers."""

    def __init__(
        self, pool: RecognizerPool, access: Access, faults: Faults, *, endpointing: str = ""
    ):
        """Initialize the handler.

        Args:
            pool: Transcribes.
            access: Which keys are let in.
            faults: What goes wrong on purpose.
            endpointing: Silence in ms after which a final is sent unasked, for clients that name
                none; ``150`` imitates the cloud's default.
        """
        self._pool = pool
        self._access = access
        self._faults = faults
        self._endpointing = endpointing

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Serve one stream until the client leaves."""
        try:
            options = ListenOptions.from_query(request.query, self._endpointing)
        except ListenOptionsError as error:
            return refusal(400, "INVALID_QUERY_PARAMETER", str(error))
        accepted = await accept(request, "stt", self._access, self._faults)
        if isinstance(accepted, web.Response):
            return accepted
        socket, wire = accepted
        session = ListenSession(options, self._pool, wire.send, wire.faults.before_answer)
        await _Stream(socket, wire, session).run()
        return socket


class _Stream:
    """Reads one client: audio and commands, with a limit on silence."""

    def __init__(self, socket: web.WebSocketResponse, wire: SocketWire, session: ListenSession):
        self._socket = socket
        self._wire = wire
        self._session = session
        self._heard_at = time.monotonic()
        self._finals: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        watchdog = asyncio.create_task(self._close_when_silent())
        try:
            async for message in self._socket:
                self._heard_at = time.monotonic()
                if message.type is WSMsgType.BINARY and message.data:
                    await self._session.on_audio(message.data)
                elif message.type is WSMsgType.TEXT:
                    await self._on_command(message)
        finally:
            tasks = [watchdog, *self._finals]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._session.close()

    async def _on_command(self, message: WSMessage) -> None:
        try:
            kind = json.loads(message.data).get("type")
        except (ValueError, AttributeError):
            kind = None
        if kind == "Finalize":
            # A task: audio keeps flowing while the model works.
            task = asyncio.create_task(self._finalize())
            self._finals.add(task)
            task.add_done_callback(self._finals.discard)
        elif kind == "CloseStream":
            await asyncio.gather(*self._finals)
            await self._session.finish()
            await self._wire.close()
        elif kind != "KeepAlive":
            await self._wire.send({"type": "Error", "description": f"unknown type {kind!r}"})

    async def _finalize(self) -> None:
        try:
            await self._session.finalize(asked=True)
        except RuntimeError as error:
            logger.error(f"Deepgram stand-in cannot transcribe, {error}")
            await self._wire.close(1011, "DATA-0000: cannot transcribe")

    async def _close_when_silent(self) -> None:
        while not self._wire.closed:
            left = SILENT_CLOSE_SECS - (time.monotonic() - self._heard_at)
            if left <= 0:
                await self._wire.close(1011, "NET-0001: no audio or KeepAlive")
                return
            await asyncio.sleep(left)
