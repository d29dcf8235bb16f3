"""The server's side of a fork server: start it, ask it for processes, learn of their ends."""

import asyncio
import json
import socket
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Mapping

from server.call_process import ConfigurationError
from server.forked_process import ForkedProcess

START_SECS = 60.0
FORK_SECS = 5.0


class ForkClient:
    """One fork server process, from its start to its end."""

    def __init__(
        self, session: str, environment: Mapping[str, str], on_died: Callable[[], None]
    ) -> None:
        """Initialize the client.

        Args:
            session: ``module:function`` that the fork server calls to load what calls need.
            environment: Its whole environment.
            on_died: Called once when it ends after it was ready, and nobody closed it.
        """
        self._session, self._environment, self._on_died = session, environment, on_died
        self._asked: deque[tuple[asyncio.Future[ForkedProcess], socket.socket]] = deque()
        self._alive: dict[int, ForkedProcess] = {}
        self._process: Process | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] | None = None

    @property
    def pid(self) -> int | None:
        """The fork server's process id."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it can be asked."""
        return self._control is not None

    async def start(self) -> None:
        """Starts it and waits until everything is loaded, about 1 s.

        Raises:
            ConfigurationError: What calls need cannot be loaded.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server.fork_server", str(theirs.fileno()), self._session),
                pass_fds=[theirs.fileno()],
                env=self._environment,
                start_new_session=True,  # Ctrl-C is the server's to handle
            )
        ours.setblocking(False)
        self._control = ours
        self._ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._on_readable)
        try:
            async with asyncio.timeout(START_SECS):
                await self._ready
        except TimeoutError:
            await self.close(0)
            raise ConfigurationError(f"calls' code took over {START_SECS:g} s to load") from None
        except (ConfigurationError, asyncio.CancelledError):
            await self.close(1)
            raise

    async def fork(self) -> ForkedProcess:
        """Forks one process.

        Raises:
            ConfigurationError: The fork server is gone or does not answer.
        """
        if self._control is None:
            raise ConfigurationError("the fork server is not running")
        asked: asyncio.Future[ForkedProcess] = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
        except OSError as error:  # it died, and its end is not seen yet
            ours.close()
            raise ConfigurationError("the fork server died") from error
        self._asked.append((asked, ours))
        try:
            async with asyncio.timeout(FORK_SECS):
                return await asked
        except TimeoutError:
            raise ConfigurationError(f"the fork server did not fork in {FORK_SECS:g} s") from None
        except asyncio.CancelledError:
            if asked.done() and not asked.cancelled() and not asked.exception():
                asked.result().close()  # forked for nobody: the end of its socket ends it
            raise

    async def close(self, grace_secs: float) -> None:
        """Lets the fork server end; the processes it forked live on."""
        self._drop_control()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(grace_secs):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _on_readable(self) -> None:
        assert self._control
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if data:
            self._on_message(json.loads(data))
        else:
            self._on_end()

    def _on_message(self, message: dict) -> None:
        assert self._ready
        match message:
            case {"ready": _}:
                self._ready.set_result(None)
            case {"refused": text}:
                self._ready.set_exception(ConfigurationError(text))
            case {"forked": pid}:
                asked, connection = self._asked.popleft()
                process = self._alive[pid] = ForkedProcess(pid, connection)
                if asked.done():  # nobody waits any more: the end of its socket ends the process
                    process.close()
                else:
                    asked.set_result(process)
            case {"exited": pid, "status": status}:
                if process := self._alive.pop(pid, None):
                    process.mark_exited(status)

    def _on_end(self) -> None:
        self._drop_control()
        assert self._ready
        if not self._ready.done():
            error = ConfigurationError("the fork server ended while loading; its error is above")
            self._ready.set_exception(error)
        elif not self._ready.cancelled() and not self._ready.exception():
            self._on_died()

    def _drop_control(self) -> None:
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        self._control = None
        for asked, connection in self._asked:
            connection.close()
            if not asked.done():
                asked.set_exception(ConfigurationError("the fork server died"))
        self._asked.clear()
        for process in self._alive.values():
            process.watch()
        self._alive.clear()
