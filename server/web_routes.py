"""Calls from a browser by HTTP: the page, and the beginning of a call. No API key, but limits."""

import math

from aiohttp import web

from server.address_limit import AddressLimit
from server.known_bots import KnownBots
from server.placement import Placement, PlacementError
from server.problem_details import ApiProblem
from server.web_calls import WebCalls
from server.web_origins import WebOrigins
from server.web_page import WebPage


class WebRoutes:
    """``/call/{bot}`` and ``/web/``."""

    def __init__(
        self,
        page: WebPage,
        calls: WebCalls,
        bots: KnownBots,
        *,
        origins: WebOrigins,
        limit: AddressLimit,
    ):
        """Initialize the routes.

        Args:
            page: What is shown.
            calls: Begins calls.
            bots: Who may be called.
            origins: Whose pages may call.
            limit: How often an address may.
        """
        self._page, self._calls, self._bots = page, calls, bots
        self._origins, self._limit = origins, limit

    def routes(self) -> list[web.RouteDef]:
        """The routes; all of them are open."""
        return [
            web.get("/call/{bot}", self._show),
            web.post("/call/{bot}", self._begin),
            web.get("/web/{name:.+}", self._page.file),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page.show(known=request.match_info["bot"] in self._bots.web)

    async def _begin(self, request: web.Request) -> web.Response:
        origin = request.headers.get("Origin", "")
        if problem := self._origins.why_not(origin, request.host):
            raise ApiProblem(403, "Forbidden", problem)
        try:
            return await self._place(request, origin)
        except ApiProblem as problem:
            problem.headers.update(readable_by(origin))
            raise

    async def _place(self, request: web.Request, origin: str) -> web.Response:
        bot = request.match_info["bot"]
        if bot not in self._bots.web:
            detail = f"no bot {bot!r} takes calls from a browser (`web: true` in its YAML)"
            raise ApiProblem(404, "Not Found", detail)
        if wait_secs := self._limit.take(request.remote or ""):
            raise ApiProblem(
                429,
                "Too Many Requests",
                "too many calls from this address",
                headers={"Retry-After": str(math.ceil(wait_secs))},
            )
        try:
            call = await self._calls.begin(Placement(bot))
        except PlacementError as error:
            raise _unavailable(error) from error
        headers = {"Cache-Control": "no-store", **readable_by(origin)}
        return web.json_response(call.for_browser(), status=201, headers=headers)


def readable_by(origin: str) -> dict[str, str]:
    """Headers that let a page of another origin read the answer."""
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _unavailable(error: PlacementError) -> ApiProblem:
    wait = error.retry_after_secs
    headers = {"Retry-After": str(wait)} if wait else {}
    return ApiProblem(503, "Service Unavailable", error.message, headers=headers)
