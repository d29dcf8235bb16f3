"""What the HTTP API answers, and to whom."""

import asyncio
import json

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate
from pydantic import SecretStr

from records.call_record import CallRecord
from records.events import (
    Answered,
    CallEnded,
    CallerJoined,
    CallStarted,
    RecordingStored,
    TurnMeasured,
)
from records.latency import TurnLatency
from records.log import EventLog
from records.recordings import Recordings
from records.store import CallStore
from records.wav import StereoWavWriter
from server.address_limit import AddressLimit
from server.api import Api
from server.known_bots import KnownBots
from server.limits import CallPolicy
from server.live_events import BACKLOG, LiveEvents
from server.livekit_access import LiveKitAccess
from server.metrics import Metrics
from server.placing import Placing
from server.placing_routes import PlacingRoutes
from server.web_calls import WebCalls
from server.web_origins import WebOrigins
from server.web_page import WebPage
from server.web_routes import WebRoutes

KEY = {"Authorization": "Bearer the-key"}
SECRET = "secret-of-at-least-32-characters!"


class FakeCall:
    def __init__(self, call_id: str):
        self.job = type("Job", (), {"call_id": call_id})()
        self.hung_up: list[bool] = []

    def hang_up(self, *, politely: bool) -> None:
        self.hung_up.append(politely)


class FakeCalls:
    def __init__(self):
        self.by_id: dict[str, FakeCall] = {}

    @property
    def running(self) -> list[FakeCall]:
        return list(self.by_id.values())

    def get(self, call_id: str) -> FakeCall | None:
        return self.by_id.get(call_id)


class House:
    """An API over a real store, with calls that a test writes."""

    def __init__(self, store: CallStore, recordings: Recordings):
        self.store, self.recordings = store, recordings
        self.calls, self.live, self.metrics = FakeCalls(), LiveEvents(), Metrics()
        self.not_ready: list[str] = []
        self.logs: dict[str, EventLog] = {}
        self.api = Api(
            api_key="the-key",
            accesses=[LiveKitAccess("ws://127.0.0.1:9", "devkey", SecretStr(SECRET))],
            store=store,
            recordings=recordings,
            calls=self.calls,
            live=self.live,
            metrics=self.metrics,
            why_not_ready=lambda: self.not_ready,
            more_routes=[
                *PlacingRoutes(
                    Placing(self.calls, store, KnownBots(), CallPolicy(), lambda: None)
                ).routes(),
                *WebRoutes(
                    WebPage([]),
                    WebCalls(self.calls, lambda: None),
                    KnownBots(),
                    origins=WebOrigins([]),
                    limit=AddressLimit(1),
                ).routes(),
            ],
        )
        self.client: TestClient

    async def add(self, call_id: str, kind, **fields):
        log = self.logs.setdefault(call_id, EventLog(call_id, lambda _: None))
        event = log.add(kind, **fields)
        await self.store.append(event)
        self.live.publish(event)
        return event

    async def begin(self, call_id: str) -> FakeCall:
        self.calls.by_id[call_id] = FakeCall(call_id)
        await self.add(call_id, CallStarted, room=f"room-{call_id}")
        await self.add(call_id, CallerJoined, caller="+15557777", dialled="+15550100", bot="echo")
        return self.calls.by_id[call_id]

    async def end(self, call_id: str) -> CallRecord:
        await self.add(call_id, CallEnded, outcome="completed", reason="bot")
        record = CallRecord.fold(await self.store.events(call_id))
        await self.store.save(record)
        self.metrics.call_ended(record)
        del self.calls.by_id[call_id]
        self.live.call_over(call_id)
        return record

    async def get(self, path: str, **headers):
        return await self.client.get(path, headers={**KEY, **headers})


@pytest.fixture
async def house(tmp_path):
    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    house = House(store, Recordings(str(tmp_path / "recordings")))
    async with TestClient(TestServer(house.api.app)) as client:
        house.client = client
        yield house
    await store.close()


async def recorded(house: House, tmp_path, call_id: str = "a", secs: float = 0.1) -> bytes:
    path = tmp_path / "spool.wav"
    with StereoWavWriter(path, 8000) as wav:
        samples = np.arange(int(8000 * secs), dtype=np.int16)
        wav.write(samples, samples)
    data = path.read_bytes()
    await house.begin(call_id)
    uri = await house.recordings.keep(path, call_id)
    await house.add(call_id, RecordingStored, uri=uri, secs=secs)
    await house.end(call_id)
    return data


@pytest.mark.parametrize("path", ["/calls", "/calls/a", "/events", "/metrics", "/nowhere"])
@pytest.mark.parametrize(
    "key", [None, "Bearer wrong", "Bearer ", "Basic the-key", "Bearer schlüssel"]
)
async def test_nothing_is_told_without_the_key(house, path, key):
    answer = await house.client.get(path, headers={"Authorization": key} if key else {})
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    problem = await answer.json()
    assert answer.content_type == "application/problem+json" and "SWITCHBOARD_API_KEY" in str(
        problem
    )


async def test_probes_need_no_key(house):
    assert (await house.client.get("/healthz")).status == 200
    assert (await house.client.get("/readyz")).status == 200
    house.not_ready.append("no call process is warm")
    answer = await house.client.get("/readyz")
    assert answer.status == 503
    assert (await answer.json())["reasons"] == ["no call process is warm"]


async def test_an_api_without_a_key_does_not_exist(house):
    with pytest.raises(ValueError):
        Api(
            api_key="", accesses=[], store=house.store, recordings=house.recordings,
            calls=house.calls, live=house.live, metrics=house.metrics, why_not_ready=list,
        )  # fmt: skip


async def test_calls_are_listed_newest_first_and_a_running_one_has_no_outcome(house):
    await house.begin("a")
    await house.end("a")
    await house.begin("b")
    body = await (await house.get("/calls")).json()
    assert [(c["call_id"], c["outcome"]) for c in body["calls"]] == [
        ("b", None),
        ("a", "completed"),
    ]
    first = await (await house.get("/calls?limit=1")).json()
    second = await (await house.get(f"/calls?limit=1&before={first['next_before']}")).json()
    assert [c["call_id"] for c in second["calls"]] == ["a"]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=501", "before=nobody"])
async def test_a_wrong_parameter_is_named(house, query):
    answer = await house.get(f"/calls?{query}")
    assert answer.status == 400 and query.split("=")[0] in (await answer.json())["detail"]


async def test_a_call_is_shown_whole(house):
    await house.begin("a")
    record = await house.end("a")
    answer = await house.get("/calls/a")
    assert CallRecord.model_validate(await answer.json()) == record


@pytest.mark.parametrize("path", ["/calls/x", "/calls/x/events", "/calls/x/audio", "/nowhere"])
async def test_what_is_not_there_is_a_problem(house, path):
    answer = await house.get(path)
    assert answer.status == 404 and answer.content_type == "application/problem+json"
    assert (await answer.json())["instance"] == path


async def test_a_wrong_method_is_a_problem(house):
    answer = await house.client.put("/calls", headers=KEY)
    assert answer.status == 405 and answer.content_type == "application/problem+json"


@pytest.mark.parametrize("query, politely", [("", True), ("?now=0", True), ("?now=1", False)])
async def test_a_call_is_hung_up(house, query, politely):
    call = await house.begin("a")
    answer = await house.client.delete(f"/calls/a{query}", headers=KEY)
    assert answer.status == 202 and call.hung_up == [politely]


async def test_a_call_that_is_over_cannot_be_hung_up(house):
    await house.begin("a")
    await house.end("a")
    assert (await house.client.delete("/calls/a", headers=KEY)).status == 409
    assert (await house.client.delete("/calls/b", headers=KEY)).status == 404
    assert (await house.client.delete("/calls/a?now=yes", headers=KEY)).status == 400


async def test_a_recording_is_served_whole(house, tmp_path):
    data = await recorded(house, tmp_path)
    answer = await house.get("/calls/a/audio")
    assert answer.status == 200 and answer.content_type == "audio/wav"
    assert await answer.read() == data
    head = await house.client.head("/calls/a/audio", headers=KEY)
    assert head.headers["Content-Length"] == str(len(data)) and await head.read() == b""


@pytest.mark.parametrize(
    "asked, start, end",
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, None),
     ("bytes=-5", -5, None), ("bytes=10-999999", 10, None)],
)  # fmt: skip
async def test_a_range_of_a_recording_is_served(house, tmp_path, asked, start, end):
    data = await recorded(house, tmp_path)
    answer = await house.get("/calls/a/audio", Range=asked)
    assert answer.status == 206 and await answer.read() == data[start:end]
    first, last = answer.headers["Content-Range"].removeprefix("bytes ").split("/")[0].split("-")
    assert data[int(first) : int(last) + 1] == data[start:end]


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
async def test_a_range_outside_is_refused_with_the_size(house, tmp_path, asked):
    data = await recorded(house, tmp_path)
    answer = await house.get("/calls/a/audio", Range=asked)
    assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{len(data)}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b"]
)
async def test_what_is_no_single_range_is_answered_in_full(house, tmp_path, asked):
    data = await recorded(house, tmp_path)
    answer = await house.get("/calls/a/audio", Range=asked)
    assert answer.status == 200 and await answer.read() == data


async def test_a_call_without_a_recording_has_no_audio(house):
    await house.begin("a")
    assert (await house.get("/calls/a/audio")).status == 404


async def sse(answer, count: int) -> list[dict]:
    """The next ``count`` events of a stream."""
    found: list[dict] = []
    block: dict[str, str] = {}
    async with asyncio.timeout(5):
        while len(found) < count:
            line = (await answer.content.readline()).decode()
            assert line, "the stream ended"
            if name_and_value := line.strip():
                name, _, value = name_and_value.partition(": ")
                block[name] = value
            elif "data" in block:
                found.append({**block, "data": json.loads(block["data"])})
                block = {}
            else:
                block = {}
    return found


async def test_a_stream_tells_what_was_and_what_comes_and_ends_with_the_record(house):
    await house.begin("a")
    answer = await house.get("/calls/a/events")
    assert answer.content_type == "text/event-stream"
    before = await sse(answer, 2)
    await house.add("a", Answered)
    (answered,) = await sse(answer, 1)
    assert [e["id"] for e in [*before, answered]] == ["1", "2", "3"]
    assert (answered["event"], answered["data"]["seq"]) == ("answered", 3)
    await house.end("a")
    assert (await sse(answer, 1))[0]["event"] == "call_ended"
    async with asyncio.timeout(5):
        assert await answer.content.read() == b""


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_is_resumed_behind_the_last_event(house, how):
    await house.begin("a")
    await house.end("a")
    answer = (
        await house.get("/calls/a/events", **{"Last-Event-ID": "2"})
        if how == "header"
        else await house.get("/calls/a/events?after=2")
    )
    assert [e["event"] for e in await sse(answer, 1)] == ["call_ended"]
    answer = await house.get("/calls/a/events", **{"Last-Event-ID": "3"})
    assert answer.status == 204


async def test_a_last_event_that_is_no_number_is_refused(house):
    assert (await house.get("/calls/a/events", **{"Last-Event-ID": "x"})).status == 400


async def test_all_calls_can_be_watched(house):
    answer = await house.get("/events")
    await house.begin("a")
    await house.begin("b")
    assert [e["data"]["call_id"] for e in await sse(answer, 4)] == ["a", "a", "b", "b"]
    house.live.close()
    async with asyncio.timeout(5):
        assert await answer.content.read() == b""


def test_a_watcher_that_does_not_read_is_let_go():
    live = LiveEvents()
    log = EventLog("a", live.publish)
    with live.watch("a") as slow:
        for _ in range(BACKLOG + 5):
            log.add(Answered)
        got = [slow.queue.get_nowait() for _ in range(slow.queue.qsize())]
    assert len(got) == BACKLOG + 1 and got[-1] is None


async def test_metrics_count_calls_by_outcome_and_latency(house):
    house.metrics.gauge("calls_active", "Calls now.", lambda: len(house.calls.running))
    await house.begin("a")
    latency = TurnLatency(
        endpointing=0.2, transcription=0.1, turn_decision=0, llm=0.1, sentence=0, synthesis=0.1,
        output=0.02,
    )  # fmt: skip
    house.metrics.event(await house.add("a", TurnMeasured, turn=1, latency=latency))
    text = await (await house.get("/metrics")).text()
    assert "switchboard_calls_active 1.0" in text
    await house.end("a")
    text = await (await house.get("/metrics")).text()
    assert 'switchboard_calls_total{outcome="completed"} 1.0' in text
    assert "switchboard_turn_traced_seconds_count 1.0" in text


async def test_the_description_is_valid_and_describes_every_route(house):
    description = await (await house.client.get("/openapi.json")).json()
    validate(description)
    told = {
        (path, method)
        for path, item in description["paths"].items()
        for method in item
        if method != "parameters"
    }
    served = {
        (route.resource.canonical, route.method.lower())
        for route in house.api.app.router.routes()
        if route.method != "HEAD"
    }
    assert told == served


async def test_a_record_fits_its_schema(house):
    import jsonschema

    description = await (await house.client.get("/openapi.json")).json()
    await house.begin("a")
    await house.end("a")
    record = await (await house.get("/calls/a")).json()
    schema = {"$ref": "#/components/schemas/CallRecord", "components": description["components"]}
    jsonschema.validate(record, schema)


async def test_calls_from_a_browser_need_no_key_but_an_origin(house):
    page = await house.client.get("/call/nobody")
    assert page.status == 404 and page.content_type == "text/html"
    assert (await house.client.post("/call/nobody")).status == 403
    assert (await house.client.get("/web/call.css")).status == 200
    assert (await house.client.get("/calls")).status == 401


async def test_a_broken_handler_answers_and_hides_its_reason(house, monkeypatch):
    async def broken(*_):
        raise RuntimeError("the password is xyz")

    monkeypatch.setattr(house.store, "call", broken)
    answer = await house.get("/calls/a")
    assert answer.status == 500 and "xyz" not in await answer.text()


async def test_two_readers_of_one_call_get_the_same(house):
    await house.begin("a")
    one, two = await house.get("/calls/a/events"), await house.get("/calls/a/events")
    await house.end("a")
    assert await sse(one, 3) == await sse(two, 3)
