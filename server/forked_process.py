"""One forked call process, seen from the server."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
from collections.abc import AsyncIterator, Mapping


class ForkedProcess:
    """A process that takes one order, then commands, and answers in lines."""

    def __init__(self, pid: int, connection: socket.socket):
        """Initialize around a forked process."""
        self.pid = pid
        self.exited = asyncio.Event()
        self.status: int | None = None
        """Exit status, negative for a signal; None while it runs or when nobody can know it."""
        connection.setblocking(False)
        self._connection = connection
        self._pidfd: int | None = None

    def send(self, message: Mapping[str, object]) -> None:
        """Sends the order or a command; a process that is gone, or reads nothing, takes nothing."""
        if self._connection.fileno() < 0:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            self._connection.send(json.dumps(message).encode() + b"\n")

    async def lines(self) -> AsyncIterator[bytes]:
        """What the process says until its socket closes; not a line cut off by its death."""
        # Not by streams: a write to a process that just left would throw away its last words.
        loop, rest = asyncio.get_running_loop(), b""
        while chunk := await self._received(loop):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line

    async def stop(self, grace_secs: float) -> None:
        """Ends the process: its socket closes, then SIGTERM, and SIGKILL ``grace_secs`` later."""
        for sig in (signal.SIGTERM, signal.SIGKILL):
            if self.exited.is_set():
                break
            self.signal(sig)
            try:
                async with asyncio.timeout(grace_secs):
                    await self.exited.wait()
            except TimeoutError:
                continue
        self.close()

    def signal(self, sig: signal.Signals) -> None:
        """Signals the process and all it started."""
        if self.exited.is_set():
            return
        try:
            os.killpg(self.pid, sig)
        except ProcessLookupError:  # not the head of its own group yet, or gone
            try:
                os.kill(self.pid, sig)
            except ProcessLookupError:
                return

    def close(self) -> None:
        """Lets go of the socket."""
        self._connection.close()

    def mark_exited(self, status: int | None) -> None:
        """The process is gone."""
        self.status = status
        self.exited.set()
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def watch(self) -> None:
        """Sees the end of the process without its fork server, which would tell its status."""
        if self.exited.is_set() or self._pidfd is not None:
            return
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self.mark_exited(None)
            return
        if select.select([self._pidfd], [], [], 0)[0]:
            self.mark_exited(None)
            return
        asyncio.get_running_loop().add_reader(self._pidfd, self.mark_exited, None)

    async def _received(self, loop: asyncio.AbstractEventLoop) -> bytes:
        try:
            return await loop.sock_recv(self._connection, 65536)
        except ConnectionResetError:  # it left with a command unread; all it said came before
            return b""
