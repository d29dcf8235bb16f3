"""``switchboard call``: what it asks, prints and returns."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest
from aiohttp import web

from server.call_command import (
    EXIT_STATUS,
    CallCommandError,
    PlacedByHand,
    Wish,
    metadata_of,
    problem_text,
    variables_of,
)
from server.call_follow import line_of
from server.call_list import ApiAddress
from server.cli import main

BODY = {"phone_number": "+14155552671", "bot": "reminder"}
PLACED = {"call_id": "c1", "phone_number": "+14155552671", "bot": "reminder"}
RECORD = {"call_id": "c1", "outcome": "busy", "dial": {"retry_after_secs": 60}, "results": {}}


def event(seq: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"call_id": "c1", "seq": seq, "at": "2026-01-01T00:00:00Z", "t": 1.0, "type": kind} | (
        fields
    )


RANG, BUSY = event(1, "phone_rang"), event(2, "call_ended", outcome="busy", reason="sip:486")


class Server:
    """A server that knows one call."""

    def __init__(self):
        self.asked: list[tuple[str, Any]] = []
        self.streams: list[list[dict[str, Any]]] = [[RANG, BUSY]]
        self.record = RECORD
        self.refuses: tuple[int, dict] | None = None
        self.hung_up: asyncio.Queue[str] = asyncio.Queue()
        self.over = asyncio.Event()
        self.over.set()
        self.following = asyncio.Event()

    async def serve(self) -> ApiAddress:
        app = web.Application()
        app.add_routes(
            [
                web.post("/calls", self._place),
                web.get("/calls/c1", self._show),
                web.get("/calls/c1/events", self._events),
                web.delete("/calls/c1", self._delete),
            ]
        )
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return ApiAddress(f"http://127.0.0.1:{self.runner.addresses[0][1]}", "the-key")

    async def _place(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["Authorization"], await request.json()))
        if self.refuses:
            return web.json_response(self.refuses[1], status=self.refuses[0])
        return web.json_response(PLACED, status=201)

    async def _show(self, _: web.Request) -> web.Response:
        over = not self.streams and self.over.is_set()
        return web.json_response(self.record if over else self.record | {"outcome": None})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(("events", request.query["after"]))
        if not self.streams:
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": still here\n\n")
        for told in self.streams.pop(0):
            await response.write(f"id: {told['seq']}\ndata: {json.dumps(told)}\n\n".encode())
        self.following.set()
        await self.over.wait()
        return response

    async def _delete(self, request: web.Request) -> web.Response:
        self.hung_up.put_nowait(request.query["now"])
        if request.query["now"] == "1":
            self.over.set()
        return web.json_response({}, status=202)


@pytest.fixture
async def server():
    server = Server()
    yield server
    await server.runner.cleanup()


async def call(server: Server, **wish: Any) -> tuple[int, list[str]]:
    said: list[str] = []
    address = await server.serve()
    async with asyncio.timeout(10):
        return await PlacedByHand(address, Wish(BODY, **wish), said.append).run(), said


async def test_call_is_followed_to_its_end_and_its_status_tells_how_it_was(server):
    status, said = await call(server)
    assert status == 3
    assert server.asked[0] == ("Bearer the-key", BODY)
    assert said[0] == "call c1: reminder calls +14155552671"
    assert "it rings" in said[1] and "ended: busy (sip:486)" in said[2]
    assert "worth another attempt in 60 s" in said


async def test_stream_that_breaks_is_resumed_behind_its_last_event(server, monkeypatch):
    monkeypatch.setattr("server.call_command.RESUME_SECS", 0)
    server.streams = [[RANG], [BUSY]]
    status, said = await call(server)
    assert status == 3 and [query for kind, query in server.asked[1:]] == ["0", "1"]
    assert sum("it rings" in line for line in said) == 1


async def test_detached_call_prints_its_id_alone(server):
    assert await call(server, follow=False) == (0, ["c1"])
    assert len(server.asked) == 1


async def test_json_is_the_record_and_nothing_else(server):
    status, said = await call(server, as_json=True)
    assert (status, json.loads("".join(said))) == (3, RECORD)


async def test_detached_json_is_the_answer(server):
    _, said = await call(server, as_json=True, follow=False)
    assert json.loads("".join(said)) == PLACED


async def test_ctrl_c_hangs_up_politely_and_then_at_once(server):
    server.over.clear()
    server.record = RECORD | {"outcome": "cancelled"}
    calling = asyncio.create_task(call(server))
    await server.following.wait()
    for now in ("0", "1"):
        os.kill(os.getpid(), signal.SIGINT)
        assert await asyncio.wait_for(server.hung_up.get(), 5) == now
    status, said = await calling
    assert status == 130 and "hanging up; Ctrl-C again does not wait" in said


async def test_refused_call_says_why_and_what_to_do(server):
    server.refuses = (403, {"code": "country_not_allowed", "detail": "calls to GB are not allowed"})
    with pytest.raises(CallCommandError, match="GB are not allowed; set SWITCHBOARD_CALL_COUNTRI"):
        await call(server)


async def test_no_server_is_said_with_its_remedy():
    by_hand = PlacedByHand(ApiAddress("http://127.0.0.1:1", "k"), Wish(BODY))
    with pytest.raises(CallCommandError, match="no server answers at .*`switchboard up`"):
        await by_hand.run()


def test_limits_say_when_again():
    text = problem_text(
        429, {"code": "too_many_calls", "detail": "too many", "retry_after_secs": 9}
    )
    assert text == "too_many_calls: too many; again in 9 s"
    assert "SWITCHBOARD_API_KEY" in problem_text(401, None)
    assert problem_text(500, "oops") == "500"


def test_variables_and_metadata_are_read_from_the_line():
    assert variables_of(["name=Ada", "what=a = b"]) == {"name": "Ada", "what": "a = b"}
    for wrong in ("name", "=Ada"):
        with pytest.raises(CallCommandError, match="write NAME=VALUE"):
            variables_of([wrong])
    assert metadata_of('{"order": 7}') == {"order": 7}
    assert (metadata_of("order 7"), metadata_of("[1]"), metadata_of(None)) == (
        "order 7",
        "[1]",
        None,
    )


def test_wrong_variable_is_a_wrong_argument(capsys):
    assert main(["call", "+14155552671", "--bot", "reminder", "--var", "Ada"]) == 2
    assert "write NAME=VALUE" in capsys.readouterr().err


def test_call_without_a_known_server_fails_with_a_remedy(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWITCHBOARD_API_KEY", raising=False)
    monkeypatch.setenv("SWITCHBOARD_DATA", str(tmp_path))
    assert main(["call", "+14155552671", "--bot", "reminder"]) == 1
    assert "start `switchboard up`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "told, line",
    [
        (event(1, "bot_ready", ready_secs=0.2), "bot ready after 0.20 s"),
        (
            event(1, "dial_started", number="+1", ring_secs=30.0, attempt=2),
            "dialling +1 for up to 30 s, attempt 2",
        ),
        (
            event(1, "dial_ended", outcome="busy", sip_code=486, sip_status="Busy Here"),
            "not answered: busy (486 Busy Here)",
        ),
        (event(1, "answered"), "answered"),
        (event(1, "turn_ended", text="Yes."), "them  Yes."),
        (event(1, "bot_spoke", text="Good", interrupted=True), "bot   Good [interrupted]"),
        (event(1, "tool_called", name="confirm"), "tool  confirm"),
        (event(1, "keys_entered", keys=""), "keys  (secret)"),
        (event(1, "error_raised", source="STT", message="gone"), "error STT: gone"),
    ],
)
def test_event_is_a_line_for_people(told, line):
    assert line_of(told) == f"    1.0  {line}"


@pytest.mark.parametrize(
    "told",
    [
        event(1, "line_held"),
        event(1, "dial_ended", outcome="answered", sip_code=200, sip_status=""),
    ],
)
def test_other_events_are_not_told(told):
    assert line_of(told) is None


def test_every_outcome_has_its_status():
    from records.outcomes import OUTCOMES

    assert set(EXIT_STATUS) == set(OUTCOMES)
