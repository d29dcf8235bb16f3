"""Calls by HTTP: list, show, hear, hang up."""

import re

from aiohttp import web

from records.call_record import CallRecord
from records.database import StoreError
from records.recordings import RecordingError, Recordings
from records.store import CallStore
from server.calls import Calls
from server.problem_details import ApiProblem, no_such_call

MAX_LIMIT = 500
CHUNK_BYTES = 256 * 1024


class CallRoutes:
    """``/calls`` and what lies under it, but for the streams."""

    def __init__(self, store: CallStore, recordings: Recordings, calls: Calls):
        """Initialize with where calls are found."""
        self._store, self._recordings, self._calls = store, recordings, calls

    def routes(self) -> list[web.RouteDef]:
        """The routes; ``GET`` answers ``HEAD`` too."""
        return [
            web.get("/calls", self._list),
            web.get("/calls/{id}", self._show),
            web.get("/calls/{id}/audio", self._audio),
            web.delete("/calls/{id}", self._hang_up),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        limit = _limit(request.query.get("limit", "50"))
        try:
            records = await self._store.calls(limit=limit, before=request.query.get("before"))
        except StoreError as error:
            if error.code != "unknown_call":
                raise
            raise ApiProblem(400, "Bad Request", f"before: {error}") from error
        return web.json_response(
            {
                "calls": [record.model_dump(mode="json") for record in records],
                "next_before": records[-1].call_id if len(records) == limit else None,
            }
        )

    async def _show(self, request: web.Request) -> web.Response:
        record = await self._record(request)
        return web.json_response(record.model_dump(mode="json"))

    async def _hang_up(self, request: web.Request) -> web.Response:
        now = request.query.get("now", "0")
        if now not in ("0", "1"):
            raise ApiProblem(400, "Bad Request", f"now: {now!r} is not one of 0, 1")
        call = self._calls.get(request.match_info["id"])
        if call is None:
            record = await self._record(request)
            raise ApiProblem(409, "Conflict", f"the call is over: {record.outcome}")
        call.hang_up(politely=now == "0")
        return web.json_response({"call_id": call.job.call_id, "status": "ending"}, status=202)

    async def _audio(self, request: web.Request) -> web.StreamResponse:
        record = await self._record(request)
        if record.recording is None:
            raise ApiProblem(404, "Not Found", "the call has no recording, or not yet")
        try:
            size = await self._recordings.size(record.recording)
        except RecordingError as error:
            if error.code != "not_found":
                raise
            raise ApiProblem(404, "Not Found", str(error)) from error
        start, end, status = _range(request, size)
        headers = {
            "Content-Type": "audio/wav",
            "Content-Length": str(end - start),
            "Accept-Ranges": "bytes",
            "Content-Disposition": f'inline; filename="{record.call_id}.wav"',
        }
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        while request.method != "HEAD" and start < end:
            chunk = await self._recordings.read(
                record.recording, start, min(CHUNK_BYTES, end - start)
            )
            if not chunk:
                break
            await response.write(chunk)
            start += len(chunk)
        await response.write_eof()
        return response

    async def _record(self, request: web.Request) -> CallRecord:
        call_id = request.match_info["id"]
        if record := await self._store.call(call_id):
            return record
        if call := self._calls.get(call_id):  # it began this moment
            return call.record
        raise no_such_call(call_id)


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiProblem(400, "Bad Request", f"limit: {text!r} is not 1 to {MAX_LIMIT}")
    return int(text)


def _range(request: web.Request, size: int) -> tuple[int, int, int]:
    """Start, end (exclusive) and status; what is not one byte range is answered in full.

    Source: RFC 9110 §14.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip(), re.ASCII)
    if not match or match[1] == match[2] == "" or size == 0:
        return 0, size, 200
    first, last = match[1], match[2]
    if not first:  # the last n bytes
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return 0, size, 200
    if start >= size or start >= end:
        raise ApiProblem(
            416,
            "Range Not Satisfiable",
            f"the recording has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end, 206
