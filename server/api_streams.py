"""Events by HTTP as they come: server-sent events.

Source: WHATWG HTML, "Server-sent events".
"""

import asyncio
import contextlib
from collections.abc import Sequence

from aiohttp import web

from records.event import Event
from records.store import CallStore
from server.calls import Calls
from server.live_events import LiveEvents, Watcher
from server.problem_details import ApiProblem, no_such_call

KEEP_ALIVE_SECS = 15.0


class StreamRoutes:
    """``/events`` and ``/calls/{id}/events``."""

    def __init__(self, store: CallStore, calls: Calls, live: LiveEvents):
        """Initialize with where events come from."""
        self._store, self._calls, self._live = store, calls, live

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/events", self._all, allow_head=False),
            web.get("/calls/{id}/events", self._one, allow_head=False),
        ]

    async def _all(self, request: web.Request) -> web.StreamResponse:
        with self._live.watch() as watcher:
            response = await _open(request)
            await self._follow(response, watcher, after_seq=0)
        return response

    async def _one(self, request: web.Request) -> web.StreamResponse:
        call_id = request.match_info["id"]
        after_seq = _last_event_id(request)
        with self._live.watch(call_id) as watcher:  # before the store is read: no event is missed
            running = self._calls.get(call_id) is not None
            events = await self._store.events(call_id, after_seq)
            if not events and not running:
                if await self._store.call(call_id) is None:
                    raise no_such_call(call_id)
                return web.Response(status=204)  # tells a browser to stop coming back
            response = await _open(request)
            await _write(response, events)
            if running:
                last = events[-1].seq if events else after_seq
                await self._follow(response, watcher, after_seq=last)
        with contextlib.suppress(ConnectionResetError):
            await response.write_eof()
        return response

    async def _follow(
        self, response: web.StreamResponse, watcher: Watcher, *, after_seq: int
    ) -> None:
        with contextlib.suppress(ConnectionResetError):  # the listener went away
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECS):
                        event = await watcher.queue.get()
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if event is None:
                    return
                if event.seq > after_seq:
                    await _write(response, [event])


async def _open(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    await response.write(b"retry: 1000\n\n")
    return response


async def _write(response: web.StreamResponse, events: Sequence[Event]) -> None:
    for event in events:
        kind = getattr(event, "type", "event")
        text = f"id: {event.seq}\nevent: {kind}\ndata: {event.model_dump_json()}\n\n"
        await response.write(text.encode())


def _last_event_id(request: web.Request) -> int:
    text = request.headers.get("Last-Event-ID") or request.query.get("after") or "0"
    if not text.isascii() or not text.isdigit():
        raise ApiProblem(400, "Bad Request", f"Last-Event-ID: {text!r} is not a number")
    return int(text)
