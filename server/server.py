"""The process around calls: worker, call pool, HTTP API, and their common end."""

import asyncio

from loguru import logger

from records.recordings import Recordings
from records.store import CallStore
from server.api import Api
from server.call_pool import CallPool
from server.call_supervisor import CallLimits, Surroundings
from server.calls import Calls
from server.finished_recording import FinishedRecordings
from server.known_bots import KnownBots
from server.limits import CallPolicy
from server.live_events import LiveEvents
from server.livekit_access import LiveKitAccess
from server.livekits import LiveKits
from server.metrics import Metrics
from server.notify import notify
from server.placing import Placing
from server.placing_routes import PlacingRoutes
from server.seats import Seats
from server.settings import Settings, fork_environment, notify_socket
from server.unfinished import RunningMarks, finish_unfinished
from server.web import web_calls_of, web_routes_of

SESSION = "server.preload:load_session"
WARM_UP_SECS = 45.0


class Server:
    """Takes calls from its start until it is told to stop.

    ``stop("drain")`` takes no further call and waits for those that run; ``stop("hang_up")`` ends
    them politely; ``stop("now")`` does not wait for their last words. A later word wins.
    """

    def __init__(
        self, settings: Settings, api_key: str, store: CallStore, *, session: str = SESSION
    ):
        """Wire everything; nothing runs yet.

        Args:
            settings: How this installation is set up.
            api_key: What the HTTP API asks for.
            store: Open; closed by ``run``.
            session: What the fork server loads.
        """
        self.settings = settings
        self._store = store
        accesses = LiveKitAccess.all_of(settings)
        self.seats = Seats(settings.max_calls)
        self.pool = CallPool(session, warm=settings.warm_calls, environment=fork_environment())
        self.livekits = LiveKits(
            accesses,
            self.seats,
            agent_name=settings.livekit_agent_name,
            on_assigned=lambda assignment: self.calls.start(assignment),
            on_terminated=lambda job_id: self.calls.terminated(job_id),
        )
        self._live = LiveEvents()
        self._metrics = Metrics()
        self._recordings = Recordings(settings.recordings)
        self._marks = RunningMarks(settings.spool)
        self._finished = FinishedRecordings(self._recordings)
        rooms = self.livekits.all[0].rooms
        self.calls = Calls(
            Surroundings(self.pool, store, self._finished, rooms, self._live, self._metrics),
            self.seats,
            self._marks,
            limits=CallLimits(max_call_secs=settings.max_call_secs),
            on_finished=self.livekits.finished,
            rooms_of=self.livekits.rooms_of,
        )
        bots = KnownBots.read(settings.bots)
        web_calls = web_calls_of(settings, self.calls, self.livekits.choose)
        placing = Placing(
            self.calls, store, bots, CallPolicy.of(settings), self.livekits.choose, web_calls
        )
        self.api = Api(
            api_key=api_key,
            accesses=accesses,
            store=store,
            recordings=self._recordings,
            calls=self.calls,
            live=self._live,
            metrics=self._metrics,
            why_not_ready=self.why_not_ready,
            livekit_states=lambda: [livekit.state for livekit in self.livekits.all],
            more_routes=[
                *PlacingRoutes(placing).routes(),
                *web_routes_of(settings, web_calls, bots).routes(),
            ],
        )
        self._stopping: asyncio.Queue[str] = asyncio.Queue()
        self._add_gauges()

    def why_not_ready(self) -> list[str]:
        """What keeps the server from taking a call now; empty when it is ready."""
        reasons: list[str] = []
        if self.seats.draining:
            reasons.append("the server is stopping")
        reasons += self.livekits.why_no_calls()
        if not self.pool.is_warm:
            reasons.append("no call process is warm")
        return reasons

    def stop(self, how: str) -> None:
        """Ends the server: ``drain``, ``hang_up`` or ``now``."""
        self._stopping.put_nowait(how)

    async def run(self) -> None:
        """Serves until stopped, and leaves nothing behind.

        Raises:
            ConfigurationError: It cannot start; the message says what to do.
        """
        asked = asyncio.create_task(self._stopping.get())
        serving = asyncio.create_task(self._start_and_work())
        try:
            await asyncio.wait([asked, serving], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()  # raises: it never returns by itself
            self.seats.drain()
            notify(notify_socket(), "STOPPING=1")
            await self._end_calls(asked.result())
        finally:
            asked.cancel()
            serving.cancel()
            await asyncio.wait([asked, serving])
            self._live.close()
            await self.api.close()
            await self.pool.close()
            await self.livekits.close()
            await self._store.close()
            logger.info("Stopped")

    async def _start_and_work(self) -> None:
        self.settings.spool.mkdir(parents=True, exist_ok=True)
        await self.api.listen(self.settings.api_host, self.settings.api_port)
        await self.pool.start()
        await finish_unfinished(self._marks, self._store, self._finished, self.livekits.rooms_at)
        if not await self.pool.warm_up(WARM_UP_SECS):
            logger.warning("Not all phrases are kept: some calls synthesise their greeting")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announce())
            tasks.create_task(self.livekits.run())

    async def _announce(self) -> None:
        await self.livekits.wait_registered()
        notify(notify_socket(), "READY=1")
        logger.info(f"Ready for calls; API at {self.api.url}")

    async def _end_calls(self, how: str) -> None:
        idle = asyncio.create_task(self.calls.wait_idle())
        deadline: float | None = self.settings.drain_secs
        while not idle.done() and (count := len(self.calls.running)):
            if how == "drain":
                logger.info(
                    f"Stopping when {count} calls are over, in {deadline:g} s at the latest"
                )
            else:
                logger.info(f"Ending {count} calls {'politely' if how == 'hang_up' else 'now'}")
                self.calls.hang_up_all(politely=how == "hang_up")
                deadline = None
            harder = asyncio.create_task(self._stopping.get())
            await asyncio.wait([idle, harder], timeout=deadline, return_when="FIRST_COMPLETED")
            how = harder.result() if harder.done() else "hang_up"
            harder.cancel()
        await idle

    def _add_gauges(self) -> None:
        gauge = self._metrics.gauge
        gauge("calls_active", "Calls now.", lambda: len(self.calls.running))
        gauge("seats", "Calls at the same time.", lambda: self.seats.total)
        gauge("seats_taken", "Seats reserved or in use.", lambda: self.seats.taken)
        gauge("processes_warm", "Call processes ready.", lambda: self.pool.idle)
        gauge("ready", "1 when a call can be taken.", lambda: not self.why_not_ready())
        self._metrics.gauges(
            "livekit_up",
            "1 when the worker is registered and the API answers.",
            "livekit",
            {kit.access.url: lambda kit=kit: float(not kit.problem) for kit in self.livekits.all},
        )
