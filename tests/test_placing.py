"""Calls that are asked for by HTTP: checked, counted, begun once."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from livekit.protocol.sip import ListSIPOutboundTrunkResponse, SIPOutboundTrunkInfo
from pydantic import SecretStr

from records.call_record import CallRecord
from records.line_events import NumberOptedOut
from records.placed_calls import PlacingLimits
from records.store import CallStore
from server import placing
from server.known_bots import KnownBots
from server.limits import CallPolicy
from server.limits_numbers import NumberPolicy
from server.livekit_access import LiveKitAccess
from server.placement import Placement, PlacementError
from server.placing import Placing
from server.placing_routes import STATUS, PlacingRoutes, problem_of
from server.problem_details import ApiProblem
from tests.fakes_livekit_api import FakeLiveKitApi

SECRET = "a-secret-that-is-long-enough-32b"
NUMBER = "+14155552671"
BODY = {"phone_number": NUMBER, "bot": "reminder", "variables": {"name": "Ada"}}
BOTS = KnownBots(
    names=frozenset({"reminder", "echo"}),
    variables={"reminder": {"name": None, "what": "your appointment"}, "echo": {}},
)
TRUNKS = ListSIPOutboundTrunkResponse(
    items=[
        SIPOutboundTrunkInfo(sip_trunk_id="ST_1", name="carrier", numbers=["+15550100"]),
        SIPOutboundTrunkInfo(sip_trunk_id="ST_2", name="pbx"),
    ]
)


ACCESS = LiveKitAccess("ws://127.0.0.1:9", "key", SecretStr(SECRET))


@dataclass
class FakeCalls:
    """Begins calls that go on until the test ends them."""

    placements: list[Placement] = field(default_factory=list)
    refuses: PlacementError | None = None
    ended: set[str] = field(default_factory=set)

    @property
    def running(self) -> list[Any]:
        return [
            SimpleNamespace(
                job=placement.job(ACCESS, "token", ""), ended=placement.call_id in self.ended
            )
            for placement in self.placements
        ]

    def get(self, call_id: str) -> Any:
        return next((call for call in self.running if call.job.call_id == call_id), None)

    async def place(self, placement: Placement, access: LiveKitAccess) -> None:
        await asyncio.sleep(0)
        if self.refuses:
            raise self.refuses
        self.placements.append(placement)


@dataclass
class Desk:
    """The API's part of placing, with nothing behind it."""

    store: CallStore
    livekit: FakeLiveKitApi
    calls: FakeCalls = field(default_factory=FakeCalls)
    policy: CallPolicy = CallPolicy(NumberPolicy(countries=["US"]), trunk="carrier")
    well: bool = True
    client: Any = None

    async def open(self) -> None:
        access = LiveKitAccess(self.livekit.url, "key", SecretStr(SECRET))
        made = Placing(
            self.calls,  # pyright: ignore[reportArgumentType]
            self.store,
            BOTS,
            self.policy,
            lambda: access if self.well else None,
        )
        app = web.Application(middlewares=[_problems])
        app.add_routes(PlacingRoutes(made).routes())
        self.client = TestClient(TestServer(app))
        await self.client.start_server()

    async def ask(self, key: str = "key-1", headers: dict | None = None, **changes) -> Any:
        """One request; returns status, headers and body."""
        if self.client is None:
            await self.open()
        body = {name: value for name, value in (BODY | changes).items() if value is not None}
        headers = {"Authorization": f"Bearer {key}", **(headers or {})}
        async with self.client.post("/calls", json=body, headers=headers) as answer:
            return SimpleNamespace(
                **(await answer.json() | {"status": answer.status, "headers": answer.headers})
            )


@web.middleware
async def _problems(request, handler):
    try:
        return await handler(request)
    except ApiProblem as problem:
        return problem.response(request.path)


@pytest.fixture
async def desk(tmp_path):
    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    async with FakeLiveKitApi().serve() as livekit:
        livekit.answers["ListSIPOutboundTrunk"] = TRUNKS
        desk = Desk(store, livekit)
        yield desk
        if desk.client:
            await desk.client.close()
    await store.close()


async def test_call_is_begun_as_asked_for(desk):
    answer = await desk.ask(metadata={"order": 7}, caller_id="+15550100", ring_secs=20)
    assert (answer.status, answer.attempt, answer.repeated) == (201, 1, False)
    (placement,) = desk.calls.placements
    assert answer.headers["Location"] == f"/calls/{placement.call_id}"
    assert (answer.call_id, answer.room) == (placement.call_id, placement.room)
    assert NUMBER not in answer.room
    assert (placement.bot, placement.variables, json.loads(placement.metadata)) == (
        "reminder",
        {"name": "Ada"},
        {"order": 7},
    )
    dial = placement.dial
    assert dial
    assert (dial.number, dial.trunk_id, dial.caller_id, dial.ring_secs, dial.attempt) == (
        NUMBER,
        "ST_1",
        "+15550100",
        20,
        1,
    )


async def test_number_is_called_as_e164_however_it_was_written(desk):
    answer = await desk.ask(phone_number="+1 (415) 555-2671")
    assert answer.phone_number == NUMBER
    assert desk.calls.placements[0].dial.number == NUMBER


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"phone_number": None}, 400, "invalid_request"),
        ({"phone_number": "4155552671"}, 400, "invalid_number"),
        ({"phone_number": "+442071838750"}, 403, "country_not_allowed"),
        ({"phone_number": "+19005551234"}, 403, "premium_number"),
        ({"bot": "remender"}, 400, "unknown_bot"),
        ({"variables": {}}, 400, "missing_variable"),
        ({"variables": {"name": " "}}, 400, "missing_variable"),
        ({"variables": {"name": "Ada", "nam": "x"}}, 400, "unknown_variable"),
        ({"variables": {"Name!": "x"}}, 400, "invalid_request"),
        ({"trunk": "nowhere"}, 400, "no_trunk"),
        ({"caller_id": "+15550999"}, 403, "caller_id_not_allowed"),
        ({"caller_id": "+15550100", "trunk": "pbx"}, 403, "caller_id_not_allowed"),
        ({"ring_secs": 300}, 400, "invalid_request"),
        ({"metadata": "x" * 5000}, 400, "invalid_request"),
        ({"call_type": "fax"}, 400, "invalid_request"),
        ({"call_type": "webrtc"}, 400, "invalid_request"),
        ({"phone": "x"}, 400, "invalid_request"),
    ],
)
async def test_refused_request_is_a_typed_problem_and_begins_nothing(desk, changes, status, code):
    answer = await desk.ask(**changes)
    assert (answer.status, answer.code) == (status, code)
    assert answer.type == f"urn:switchboard:problem:{code}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.detail and not desk.calls.placements
    assert (await desk.ask()).status == 201, "a refused request counts for nothing"


async def test_call_for_a_browser_is_answered_with_what_joins_it(desk):
    browser = {"call_type": "webrtc", "phone_number": None, "idempotency_key": "k"}
    first = await desk.ask(**browser)
    assert first.status == 201 and first.page.startswith("/call/reminder#")
    (placement,) = desk.calls.placements
    assert (placement.call_type, placement.dial) == ("webrtc", None)
    assert (first.identity, first.room) == (placement.caller, placement.room)
    again = await desk.ask(**browser)
    assert again.repeated and len(desk.calls.placements) == 1


async def test_problems_of_a_request_are_told_together(desk):
    answer = await desk.ask(ring_secs=1, trunk="", colour="red")
    assert [problem.split(":")[0] for problem in answer.problems] == [
        "trunk",
        "ring_secs",
        "colour",
    ]


async def test_unknown_names_are_met_with_the_known(desk):
    assert "known: echo, reminder" in (await desk.ask(bot="x")).detail
    assert "did you mean name?" in (await desk.ask(variables={"nam": "Ada"})).detail
    assert "known: carrier, pbx" in (await desk.ask(trunk="x")).detail
    assert "it has: +15550100" in (await desk.ask(caller_id="+1")).detail


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"\xff", b'"x"'])
async def test_body_that_is_no_object_is_a_problem(desk, body):
    await desk.open()
    async with desk.client.post("/calls", data=body) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", [True, False])
async def test_repeated_request_is_the_same_call(desk, header):
    key = {"headers": {"Idempotency-Key": "k"}} if header else {"idempotency_key": "k"}
    first, second = await desk.ask(**key), await desk.ask(**key)
    assert (second.status, second.call_id, second.room) == (201, first.call_id, first.room)
    assert (first.repeated, second.repeated) == (False, True)
    assert len(desk.calls.placements) == 1


async def test_requests_at_the_same_moment_are_one_call(desk):
    await desk.open()
    answers = await asyncio.gather(*(desk.ask(idempotency_key="k") for _ in range(6)))
    assert len({answer.call_id for answer in answers}) == 1
    assert len(desk.calls.placements) == 1


async def test_key_of_another_request_is_refused(desk):
    await desk.ask(idempotency_key="k")
    answer = await desk.ask(idempotency_key="k", phone_number="+14155552672")
    assert (answer.status, answer.code) == (409, "idempotency_key_reused")


async def test_request_that_failed_may_be_repeated_with_its_key(desk):
    desk.calls.refuses = PlacementError("server_full", "full", retry_after_secs=15)
    refused = await desk.ask(idempotency_key="k")
    assert (refused.status, refused.code, refused.retry_after_secs) == (503, "server_full", 15)
    assert refused.headers["Retry-After"] == "15"
    desk.calls.refuses = None
    answer = await desk.ask(idempotency_key="k")
    assert (answer.status, answer.repeated) == (201, False)


async def test_call_whose_server_died_before_it_began_is_begun_by_the_next(desk, monkeypatch):
    first = await desk.ask(idempotency_key="k")
    desk.calls.placements.clear()  # the server died: the call is nowhere
    assert (await desk.ask(idempotency_key="k")).call_id == first.call_id
    monkeypatch.setattr(placing, "ABANDONED_SECS", 0.0)
    again = await desk.ask(idempotency_key="k")
    assert again.call_id != first.call_id and len(desk.calls.placements) == 1


async def test_call_that_is_over_is_not_begun_again(desk, monkeypatch):
    monkeypatch.setattr(placing, "ABANDONED_SECS", 0.0)
    first = await desk.ask(idempotency_key="k")
    desk.calls.placements.clear()
    started = datetime.now(UTC)
    await desk.store.save(CallRecord(call_id=first.call_id, started_at=started, outcome="busy"))
    assert (await desk.ask(idempotency_key="k")).call_id == first.call_id
    assert not desk.calls.placements


async def test_number_and_key_have_their_limits(desk):
    desk.policy = replace(desk.policy, limits=PlacingLimits(per_number=1, per_key=2))
    assert (await desk.ask()).status == 201
    answer = await desk.ask()
    assert (answer.status, answer.code) == (429, "too_many_calls_to_number")
    assert 3590 <= int(answer.headers["Retry-After"]) == answer.retry_after_secs <= 3600
    assert (await desk.ask(phone_number="+14155552672")).status == 201
    answer = await desk.ask(phone_number="+14155552673")
    assert (answer.status, answer.code) == (429, "too_many_calls")
    assert (await desk.ask(phone_number="+14155552673", key="key-2")).status == 201


async def test_trunk_carries_so_many_calls_at_the_same_time(desk):
    desk.policy = replace(desk.policy, per_trunk=2)
    await desk.open()
    answers = await asyncio.gather(*(desk.ask(phone_number=f"+1415555267{n}") for n in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 201, 429, 429]
    assert {answer.code for answer in answers if answer.status == 429} == {"trunk_full"}
    assert (await desk.ask(trunk="pbx")).status == 201, "another trunk is free"
    desk.calls.ended.add(desk.calls.placements[0].call_id)
    assert (await desk.ask(phone_number="+14155552679")).status == 201


async def test_next_attempt_is_counted_until_somebody_answers(desk):
    for attempt, outcome in enumerate(["busy", "no_answer", "completed"], start=1):
        answer = await desk.ask()
        assert answer.attempt == attempt == desk.calls.placements[-1].dial.attempt
        started = datetime.now(UTC)
        record = CallRecord(call_id=answer.call_id, started_at=started, outcome=outcome)
        await desk.store.save(record)
    assert (await desk.ask()).attempt == 1


async def test_number_that_opted_out_is_refused(desk):
    moment = {"call_id": "c0", "seq": 1, "at": datetime.now(UTC), "t": 0.0}
    await desk.store.append(NumberOptedOut(**moment, number=NUMBER))
    answer = await desk.ask()
    assert (answer.status, answer.code) == (403, "opted_out")


async def test_no_livekit_is_a_problem_with_patience(desk):
    desk.well = False
    answer = await desk.ask()
    assert (answer.status, answer.code) == (503, "livekit_unreachable")
    assert answer.headers["Retry-After"] == "15"


async def test_livekit_that_is_away_is_a_problem_too(desk):
    desk.livekit.url = "http://127.0.0.1:1"
    answer = await desk.ask()
    assert (answer.status, answer.code) == (503, "livekit_unreachable")


@pytest.mark.parametrize("code", STATUS)
def test_every_code_has_its_status(code):
    problem = problem_of(PlacementError(code, "no", retry_after_secs=3))
    assert (problem.status, problem.code) == (STATUS[code][0], code)
