"""The HTTP API: who may ask, what an error looks like, where it listens."""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from loguru import logger

from records.recordings import Recordings
from records.store import CallStore
from server.api_calls import CallRoutes
from server.api_streams import StreamRoutes
from server.call_process import ConfigurationError
from server.calls import Calls
from server.live_events import LiveEvents
from server.livekit_access import LiveKitAccess
from server.metrics import CONTENT_TYPE, Metrics
from server.openapi import DESCRIPTION
from server.problem_details import ApiProblem
from server.webhooks import WebhookRoutes

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json", "/webhooks/livekit"})
"""Asked by probes, or signed in a way of their own."""
OPEN_FOLDERS = ("/call/", "/web/")
"""Asked by callers in browsers; ``server.web_routes`` has limits of its own."""
MAX_BODY_BYTES = 256 * 1024


class Api:
    """Serves calls, events and recordings to whoever has the key."""

    def __init__(
        self,
        *,
        api_key: str,
        accesses: Sequence[LiveKitAccess],
        store: CallStore,
        recordings: Recordings,
        calls: Calls,
        live: LiveEvents,
        metrics: Metrics,
        why_not_ready: Callable[[], list[str]],
        livekit_states: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
        more_routes: Iterable[web.RouteDef] = (),
    ):
        """Build the application.

        Args:
            api_key: Asked for as ``Authorization: Bearer``; must not be empty.
            accesses: Their keys check LiveKit's webhooks.
            store: Calls that are over, and all events.
            recordings: Their audio.
            calls: Calls that run.
            live: Events as they come.
            metrics: What Prometheus reads.
            why_not_ready: Reasons against taking a call; empty when ready.
            livekit_states: What is known of each LiveKit.
            more_routes: Calls that are asked for: by this API, from a browser.
        """
        if not api_key:
            raise ValueError("the API needs a key")
        self._api_key = api_key.encode()
        self._metrics = metrics
        self._why_not_ready, self._livekit_states = why_not_ready, livekit_states
        self._runner: web.AppRunner | None = None
        self.url = ""
        middlewares = [self._problems, self._authorised]
        self.app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
        self.app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._serve_metrics),
                web.get("/openapi.json", self._openapi),
                *CallRoutes(store, recordings, calls).routes(),
                *StreamRoutes(store, calls, live).routes(),
                *WebhookRoutes(accesses, store, metrics).routes(),
                *more_routes,
            ]
        )

    async def listen(self, host: str, port: int) -> None:
        """Opens the port; 0 takes a free one, ``url`` tells which.

        Raises:
            ConfigurationError: The address cannot be had.
        """
        self._runner = web.AppRunner(self.app, shutdown_timeout=2.0, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise ConfigurationError(
                f"the API cannot listen on {host} port {port}: {error.strerror}; "
                "stop what uses it, or set SWITCHBOARD_API_PORT or SWITCHBOARD_API_HOST"
            ) from error
        address = self._runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"http://{name}:{address[1]}"

    async def close(self) -> None:
        """Closes the port; answers under way get two seconds."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiProblem as problem:
            return problem.response(request.path)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            detail = error.text if error.status == 413 else ""
            return ApiProblem(error.status, error.reason, detail or "").response(request.path)
        except ConnectionError:
            raise  # the client went away, which aiohttp knows how to take
        except Exception as error:  # the border of a handler
            logger.opt(exception=error).error(f"{request.method} {request.path} failed")
            return ApiProblem(500, "Internal Server Error", "the log says more").response(
                request.path
            )

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS and not request.path.startswith(OPEN_FOLDERS):
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            given = key.strip().encode(errors="replace")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._api_key):
                raise ApiProblem(
                    401,
                    "Unauthorized",
                    "send `Authorization: Bearer KEY` with the server's SWITCHBOARD_API_KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        return await handler(request)

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._why_not_ready()
        livekits = list(self._livekit_states())
        body = {"ready": not reasons, "reasons": reasons, "livekits": livekits}
        return web.json_response(body, status=503 if reasons else 200)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(DESCRIPTION)
