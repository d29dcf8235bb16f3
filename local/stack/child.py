"""One process of the stack: started on a leash, watched, logged and stopped."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LEASH = Path(__file__).with_name("leash.py")
_TAIL_LINES = 12


class StackError(Exception):
    """The stack cannot run.

    Parameters:
        code: ``port_in_use``, ``already_up``, ``not_ready``, ``child_died``, ``not_configured``
            or ``no_interface``.
        remedy: What to do about it.
    """

    retryable = False

    def __init__(self, code: str, message: str, remedy: str = ""):
        """Initialize the error."""
        super().__init__(f"{message}\n{remedy}" if remedy else message)
        self.code, self.message, self.remedy = code, message, remedy


class Child:
    """A process that says ``READY=1`` on a socket of its own (sd_notify) once it can work."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        log_path: Path,
        on_line: Callable[[str, str], None] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ):
        """Initialize a child; nothing runs yet.

        Args:
            name: How it is called in logs and messages.
            command: Absolute path of a program, and its arguments (no secrets).
            environment: The whole environment of the process.
            log_path: Where its output goes.
            on_line: Told the name and each line of output.
            stop_signal: What asks it to end; sent once more when half the patience is over.
        """
        self.name = name
        self.ready_secs: float | None = None
        self._command, self._environment = list(command), dict(environment)
        self._log_path, self._on_line = log_path, on_line
        self._stop_signal = stop_signal
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._notified = asyncio.Event()
        self._notify: asyncio.DatagramTransport | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int:
        """Process id, also that of its group."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs or before."""
        return self._process.returncode if self._process else None

    @property
    def last_lines(self) -> str:
        """The last lines it printed."""
        return "\n".join(self._tail)

    async def start(self) -> None:
        """Start the process; returns before it is ready."""
        self._started = time.monotonic()
        path = await self._listen()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_LEASH), str(os.getpid())),
            str(int(self._stop_signal)),
            *self._command,
            env=self._environment | {"NOTIFY_SOCKET": path, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def ready(self, limit_secs: float) -> None:
        """Wait until the process can work.

        Raises:
            StackError: If it ends first or takes too long; with its last lines.
        """
        notified = asyncio.create_task(self._notified.wait())
        ended = asyncio.create_task(self.wait())
        try:
            await asyncio.wait(
                {notified, ended}, timeout=limit_secs, return_when=asyncio.FIRST_COMPLETED
            )
            if self._notified.is_set():
                self.ready_secs = time.monotonic() - self._started
            elif ended.done():
                raise self.died()
            else:
                raise StackError(
                    "not_ready",
                    f"{self.name} was not ready after {limit_secs:.0f} s. It said last:\n"
                    f"{self.last_lines}",
                    f"See {self._log_path}.",
                )
        finally:
            for task in (notified, ended):
                task.cancel()
            await asyncio.gather(notified, ended, return_exceptions=True)

    async def wait(self) -> int:
        """Exit code, once it has ended and all its output is read."""
        assert self._process is not None
        code = await self._process.wait()
        if self._reader:
            # A grandchild that outlives it may hold the pipe open.
            await asyncio.wait({self._reader}, timeout=1.0)
        return code

    def died(self) -> StackError:
        """The error that tells of its unwanted end."""
        return StackError(
            "child_died",
            f"{self.name} ended with exit code {self.exit_code}. It said last:\n{self.last_lines}",
            f"See {self._log_path}.",
        )

    async def stop(self, grace_secs: float) -> None:
        """End it politely, and after ``grace_secs`` with its whole group; safe to call twice."""
        try:
            for patience_secs in (0.6 * grace_secs, 0.4 * grace_secs):
                if self._process is None or self._process.returncode is not None:
                    break
                self._signal(self._stop_signal)
                try:
                    async with asyncio.timeout(patience_secs):
                        await self._process.wait()
                except TimeoutError:
                    self._tail.append(f"(asked to end {patience_secs:.1f} s ago)")
        finally:
            self.kill()
            await self._release()

    def kill(self) -> None:
        """End the whole process group at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _listen(self) -> str:
        # Unix socket paths are short: never below the project's own folder.
        self._folder = tempfile.TemporaryDirectory(prefix="sb-")
        path = str(Path(self._folder.name) / "ready")
        self._notify, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _ReadySocket(self._notified), local_addr=path, family=socket.AF_UNIX
        )
        return path

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self._log_path.open("a", encoding="utf-8") as log:
            async for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                self._tail.append(line)
                log.write(line + "\n")
                log.flush()
                if self._on_line:
                    self._on_line(self.name, line)

    async def _release(self) -> None:
        if self._process is not None:
            await self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
        if self._reader:
            _, running = await asyncio.wait({self._reader}, timeout=1.0)
            for task in running:
                task.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        if self._notify:
            self._notify.close()
            await asyncio.sleep(0)  # the loop closes the socket in its next round
        if self._folder:
            self._folder.cleanup()


class _ReadySocket(asyncio.DatagramProtocol):
    def __init__(self, notified: asyncio.Event):
        self._notified = notified

    def datagram_received(self, data: bytes, addr: object) -> None:
        if b"READY=1" in data.split(b"\n"):
            self._notified.set()
