"""One forked call process, seen from the server."""

import asyncio
import json
import os
import select
import signal
import socket
from collections.abc import AsyncIterator, Mapping

from server.call_process import LINE_LIMIT


class ForkedProcess:
    """A process that takes one order, then commands, and answers in lines."""

    def __init__(self, pid: int, connection: socket.socket):
        """Initialize around a forked process; call ``open`` before use."""
        self.pid = pid
        self.exited = asyncio.Event()
        self.status: int | None = None
        """Exit status, negative for a signal; None while it runs or when nobody can know it."""
        self._connection = connection
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._pidfd: int | None = None

    async def open(self) -> "ForkedProcess":
        """Makes the socket ready."""
        self._connection.setblocking(False)
        self._reader, self._writer = await asyncio.open_connection(
            sock=self._connection, limit=LINE_LIMIT
        )
        return self

    def send(self, message: Mapping[str, object]) -> None:
        """Sends the order or a command; a process that is gone takes nothing."""
        if self._writer and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def lines(self) -> AsyncIterator[bytes]:
        """What the process says until its socket closes; not a line cut off by its death."""
        assert self._reader
        try:
            while (line := await self._reader.readline()).endswith(b"\n"):
                yield line
        except ConnectionError:
            return

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
        if self._writer:
            self._writer.close()
        else:
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
