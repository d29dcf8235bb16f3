"""The way out of one signalling websocket, bounded against a reader that never reads."""

import asyncio

from aiohttp import web
from livekit.protocol import rtc as pb
from loguru import logger

from local.exchange.masking import masked

_MAX_MESSAGES = 512
_MAX_BYTES = 4 << 20
_CLOSE_SECS = 0.5


class SignalQueue:
    """Sends messages in order from a task of its own; cuts the connection when it overflows."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, name: str
    ):
        """Start sending.

        Args:
            socket: Prepared websocket.
            transport: Its TCP connection, cut when the queue overflows.
            name: For the log.
        """
        self._socket, self._transport, self._name = socket, transport, name
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._bytes = 0
        self._finished = False
        self._task = asyncio.create_task(self._run())

    def send(self, message: pb.SignalResponse) -> None:
        """Queue a message; it is dropped when the socket is finished."""
        if self._finished:
            return
        data = message.SerializeToString()
        if self._queue.qsize() >= _MAX_MESSAGES or self._bytes + len(data) > _MAX_BYTES:
            logger.warning(f"{masked(self._name)}: reads too slowly, signal connection cut")
            self._finished = True
            if isinstance(self._transport, asyncio.Transport):
                self._transport.abort()
            return
        self._bytes += len(data)
        self._queue.put_nowait(data)

    def finish(self) -> None:
        """Send what is queued, then close the websocket."""
        if not self._finished:
            self._finished = True
            self._queue.put_nowait(None)

    async def close(self) -> None:
        """Finish and wait, but not long."""
        self.finish()
        await asyncio.wait([self._task], timeout=_CLOSE_SECS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while (data := await self._queue.get()) is not None:
            self._bytes -= len(data)
            try:
                await self._socket.send_bytes(data)
            except (ConnectionError, RuntimeError):  # the peer is gone
                return
        await self._socket.close()
