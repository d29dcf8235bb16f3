"""What runs in a call process: wait for a job, run its call, tell the server every event.

On its socket, a JSON object a line. Down: first ``{"job": …, "after": event or null}`` or
``{"warm_up": true}``, then commands (``{"do": "hang_up", "politely": true}``). Up: events. When the
socket closes the server is gone, and the call hangs up by itself.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from typing import Protocol

from loguru import logger

from bots.job import CallJob
from records.event import Event
from records.events import EVENT, AnyEvent, CallEnded, ErrorRaised
from records.log import EventLog

HANG_UP_SECS = 8.0
LEAVE_SECS = 1.0
LINE_LIMIT = 1 << 20
"""Bytes: the longest line either side accepts."""


class ConfigurationError(Exception):
    """The server cannot start as it is set up; the message says what to do about it."""


class Session(Protocol):
    """What a fork server has loaded, ready to run one call in each forked process."""

    async def run_call(self, job: CallJob, log: EventLog, commands: asyncio.Queue[dict]) -> None:
        """Runs one call from join to its ``CallEnded`` event."""
        ...

    async def warm_up(self) -> None:
        """Prepares what all calls share on disk."""
        ...

    async def end_room(self, job: CallJob) -> None:
        """Ends the phone's leg when the server, whose task that is, is gone."""
        ...


def run_call_process(fd: int, session: Session) -> None:
    """Serves one call on ``fd``, then leaves the process. Never returns."""
    os.setsid()  # the server can signal the call and whatever it starts as one group
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    code = 1
    loop = asyncio.new_event_loop()
    try:
        code = loop.run_until_complete(_serve(socket.socket(fileno=fd), session))
        loop.run_until_complete(_stop_the_rest())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


async def _stop_the_rest() -> None:
    """Cancel what the call left running; one that does not stop ends with the process."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        _, stuck = await asyncio.wait(rest, timeout=LEAVE_SECS)
        for task in stuck:
            logger.warning(f"{task.get_name()} does not stop")


async def _serve(connection: socket.socket, session: Session) -> int:
    connection.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=connection, limit=LINE_LIMIT)
    try:
        line = await reader.readline()
        if not line:
            return 0  # the server is gone and no call is at stake
        order = json.loads(line)
        if order.get("warm_up"):
            await session.warm_up()
            return 0
        job = CallJob.from_fields(order["job"])
        with logger.contextualize(call_id=job.call_id):
            after = order.get("after")
            call = _Call(job, writer, EVENT.validate_python(after) if after else None)
            return await call.run(session, reader)
    finally:
        writer.close()


@dataclass
class _Call:
    """One call: its session, the commands for it, and the way out."""

    job: CallJob
    writer: StreamWriter
    after: AnyEvent | None
    ended: bool = False
    server_is_gone: bool = False

    async def run(self, session: Session, reader: StreamReader) -> int:
        commands: asyncio.Queue[dict] = asyncio.Queue()
        log = (
            EventLog.after(self.after, self._emit)
            if self.after
            else EventLog(self.job.call_id, self._emit)
        )
        running = asyncio.create_task(session.run_call(self.job, log, commands))
        listening = asyncio.create_task(self._listen(reader, commands, running))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        try:
            await asyncio.wait([running])
            if self.server_is_gone:
                await session.end_room(self.job)
            return self._result(running, log)
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await self._flush()

    def _result(self, running: "asyncio.Task[None]", log: EventLog) -> int:
        if running.cancelled():
            if not self.ended:
                log.add(CallEnded, outcome="cancelled", reason="cancelled")
            return 0
        error = running.exception()
        if error is None:
            return 0
        logger.opt(exception=error).error("The call failed")
        if not self.ended:
            log.add(ErrorRaised, source="call", message=f"{type(error).__name__}: {error}")
            log.add(CallEnded, outcome="worker_lost", reason=type(error).__name__)
        return 1

    async def _listen(
        self,
        reader: StreamReader,
        commands: "asyncio.Queue[dict]",
        running: "asyncio.Task[None]",
    ) -> None:
        try:
            while line := await reader.readline():
                commands.put_nowait(json.loads(line))
        except ConnectionError:
            pass  # a killed server may reset the socket instead of closing it
        logger.warning("The server is gone: hanging up")
        self.server_is_gone = True
        commands.put_nowait({"do": "hang_up", "politely": False})
        await asyncio.sleep(HANG_UP_SECS)
        running.cancel()

    def _emit(self, event: Event) -> None:
        self.ended = self.ended or isinstance(event, CallEnded)
        if not self.writer.is_closing():
            self.writer.write(event.model_dump_json().encode() + b"\n")

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self.writer.drain()
        except (TimeoutError, ConnectionError):
            logger.warning("The server took no more events")
