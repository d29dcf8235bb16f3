"""Call processes kept warm: forked from a server that has everything loaded."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping

from loguru import logger

from server.call_process import ConfigurationError
from server.fork_client import ForkClient
from server.forked_process import ForkedProcess

RESTART_SECS = (0.5, 1.0, 2.0, 5.0, 10.0)


class CallPool:
    """Keeps ``warm`` processes ready and forks one more for each that is taken.

    A fork server that dies is replaced; the calls it forked live on.
    """

    def __init__(self, session: str, *, warm: int, environment: Mapping[str, str]):
        """Initialize the pool.

        Args:
            session: ``module:function`` that loads what calls need, in the fork server.
            warm: Processes kept ready.
            environment: The fork server's whole environment, ``settings.fork_environment()``.
        """
        self._session, self._warm, self._environment = session, warm, environment
        self._idle: deque[ForkedProcess] = deque()
        self._fork_server = self._new_fork_server()
        self._tasks: set[asyncio.Task] = set()
        self._refilling: asyncio.Task | None = None
        self._closing = False

    @property
    def idle(self) -> int:
        """Processes ready for a call."""
        return sum(not process.exited.is_set() for process in self._idle)

    @property
    def is_warm(self) -> bool:
        """Whether a call can be taken at once."""
        return self._fork_server.running and (self.idle > 0 or self._warm == 0)

    @property
    def fork_server_pid(self) -> int | None:
        """The fork server's process id."""
        return self._fork_server.pid

    async def start(self) -> None:
        """Starts the fork server (about 1 s) and the warm processes.

        Raises:
            ConfigurationError: What calls need cannot be loaded.
        """
        await self._fork_server.start()
        await self._refill()

    async def take(self) -> ForkedProcess:
        """A process for a call. It is replaced at once, and the call does not wait for that.

        Raises:
            ConfigurationError: There is none, and none can be forked.
        """
        process = None
        while self._idle and process is None:
            candidate = self._idle.popleft()
            if candidate.exited.is_set():
                candidate.close()
            else:
                process = candidate
        process = process or await self._fork_server.fork()
        if not self._closing and (self._refilling is None or self._refilling.done()):
            self._refilling = self._spawn(self._refill())
        return process

    async def warm_up(self, limit_secs: float) -> bool:
        """Lets a process of its own prepare what all calls share; False when it could not."""
        process = await self._fork_server.fork()
        process.send({"warm_up": True})
        try:
            async with asyncio.timeout(limit_secs):
                await process.exited.wait()
        except TimeoutError:
            logger.warning(f"Preparing the bots' phrases took over {limit_secs:g} s")
        finally:
            await process.stop(1.0)
        return process.status == 0

    async def close(self, grace_secs: float = 2.0) -> None:
        """Ends the idle processes and the fork server; calls are their owner's to end before."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(process.stop(grace_secs) for process in self._idle))
        self._idle.clear()
        await self._fork_server.close(grace_secs)

    async def _refill(self) -> None:
        while len(self._idle) < self._warm and not self._closing:
            try:
                self._idle.append(await self._fork_server.fork())
            except ConfigurationError as error:
                logger.warning(f"No call process could be forked: {error}")
                return

    def _new_fork_server(self) -> ForkClient:
        return ForkClient(self._session, self._environment, self._on_fork_server_died)

    def _on_fork_server_died(self) -> None:
        if not self._closing:
            logger.error("The fork server died: starting another; running calls go on")
            self._spawn(self._restart())

    async def _restart(self) -> None:
        attempt = 0
        while True:
            await self._fork_server.close(1.0)
            await asyncio.sleep(RESTART_SECS[min(attempt, len(RESTART_SECS) - 1)])
            attempt += 1
            self._fork_server = self._new_fork_server()
            try:
                await self._fork_server.start()
            except ConfigurationError as error:
                logger.error(f"The fork server did not start again: {error}")
                continue
            return await self._refill()

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
