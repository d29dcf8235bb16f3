"""Two LiveKits behind one server: one dies, calls come in and go out by the other."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from livekit.api import LiveKitAPI
from livekit.protocol.room import ListRoomsRequest
from pydantic import SecretStr

from local.exchange.exchange import Exchange
from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from records.store import CallStore
from server.livekit_access import LiveKitAccess
from server.livekits import LiveKits
from server.placement import Placement
from server.seats import Seats
from server.server import SESSION, Server
from server.settings import LiveKitKey, Settings
from tests.fakes_exchange import SECRET, free_config
from tests.fakes_phone import Phone, tone
from tests.fakes_server import ROOT, FakeLiveKit, fork_server_environment, until

API_KEY = "api-key"
KEYS = ("first-key", "second-key")
SECRETS = (SECRET, SECRET[::-1])
NUMBERS = ("+15550101", "+15550102")
needs_network = pytest.mark.skipif(only_loopback(), reason=ONLY_LOOPBACK_REMEDY)


def telephony(place: int) -> dict:
    """One number of each, so that nothing but the number says where a call came in."""
    script = json.dumps({"end": "hang_up"})
    return {
        "trunks": [{"name": "in", "numbers": [NUMBERS[place]]}],
        "rules": [
            {
                "name": "calls",
                "individual": "call",
                "room": {"agents": [{"agent_name": "switchboard", "metadata": script}]},
            }
        ],
    }


async def start_exchange(place: int, http_port: int = 0) -> Exchange:
    key = {"api_key": KEYS[place], "api_secret": SECRETS[place], "http_port": http_port}
    return await Exchange.start(free_config(**key, **telephony(place)))


@asynccontextmanager
async def two_exchanges() -> AsyncIterator[list[Exchange]]:
    exchanges = [await start_exchange(0), await start_exchange(1)]
    try:
        yield exchanges
    finally:
        for exchange in exchanges:
            await exchange.close()


@asynccontextmanager
async def serving(
    exchanges: list[Exchange],
    tmp_path,
    monkeypatch,
    session: str = "tests.fakes_server:load_session",
) -> AsyncIterator[Server]:
    monkeypatch.setenv("PYTHONPATH", fork_server_environment()["PYTHONPATH"])
    settings = Settings(
        livekit_urls=",".join(exchange.url for exchange in exchanges),
        livekit_api_key=KEYS[0],
        livekit_api_secret=SecretStr(SECRETS[0]),
        livekit_keys={2: LiveKitKey(KEYS[1], SecretStr(SECRETS[1]))},
        data=tmp_path,
        api_port=0,
        warm_calls=1,
        max_calls=3,
    )
    store = await CallStore.open(settings.database)
    server = Server(settings, API_KEY, store, session=session)
    server.livekits.probe_secs = 0.1
    task = asyncio.create_task(server.run())
    try:
        for livekit in server.livekits.all:
            async with asyncio.timeout(30):
                await livekit.worker.registered.wait()
        yield server
    finally:
        server.stop("now")
        async with asyncio.timeout(15):
            await task


async def call_in(server: Server, exchange: Exchange, place: int):
    """A phone that rings, and the call it became."""
    before = set(server.calls.running)
    phone = await Phone.open()
    phone.dial(NUMBERS[place], exchange.sip_address, talk=False)
    await until(lambda: set(server.calls.running) - before)
    (call,) = set(server.calls.running) - before
    return phone, call


async def rooms_of(exchange: Exchange, place: int) -> set[str]:
    async with LiveKitAPI(exchange.url, KEYS[place], SECRETS[place]) as api:
        return {room.name for room in (await api.room.list_rooms(ListRoomsRequest())).rooms}


async def ready(server: Server) -> tuple[int, list[bool], str]:
    """Status of /readyz, which LiveKits are up, and the metrics."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(server.api.url) as session:
        async with session.get("/readyz") as answer:
            body = await answer.json()
        async with session.get("/metrics", headers=headers) as metrics:
            text = await metrics.text()
    return answer.status, [livekit["up"] for livekit in body["livekits"]], text


@needs_network
async def test_calls_go_on_by_the_second_while_the_first_is_dead_and_return_with_it(
    tmp_path, monkeypatch
):
    async with (
        two_exchanges() as exchanges,
        serving(exchanges, tmp_path, monkeypatch) as server,
    ):
        first, second = exchanges
        port = int(first.url.rpartition(":")[2])
        for place in (0, 1):  # both take calls, and a call lives where it came in
            phone, call = await call_in(server, exchanges[place], place)
            assert (call.job.url, call.job.api_key) == (exchanges[place].url, KEYS[place])
            assert call.job.room in await rooms_of(exchanges[place], place)
            call.hang_up(politely=True)
            await phone.until(lambda phone=phone: (486, "Rejected") in phone.responses())
            await phone.close()
        assert server.livekits.choose().url == first.url
        status, up, metrics = await ready(server)
        assert (status, up) == (200, [True, True])
        assert f'switchboard_livekit_up{{livekit="{first.url}"}} 1.0' in metrics

        await first.close()
        await until(lambda: server.livekits.choose().url == second.url)
        status, up, metrics = await ready(server)
        assert (status, up) == (200, [False, True])
        assert f'switchboard_livekit_up{{livekit="{first.url}"}} 0.0' in metrics
        phone, call = await call_in(server, second, 1)
        placed = await server.calls.place(Placement("echo"), server.livekits.choose())
        assert placed.job.url == second.url
        assert placed.job.room in await rooms_of(second, 1)
        for running in (call, placed):
            running.hang_up(politely=True)
        await until(lambda: not server.calls.running)
        assert not await rooms_of(second, 1)
        assert server.seats.taken == 0
        await phone.close()

        exchanges[0] = first = await start_exchange(0, port)
        await until(lambda: server.livekits.choose().url == first.url, 20)
        placed = await server.calls.place(Placement("echo"), server.livekits.choose())
        assert placed.job.room in await rooms_of(first, 0)
        await second.close()
        await until(lambda: not server.livekits.all[1].worker.registered.is_set())
        assert server.livekits.choose().url == first.url
        placed.hang_up(politely=True)
        await until(lambda: not server.calls.running)


@needs_network
async def test_a_caller_hears_the_bot_through_the_second_when_the_first_is_dead(
    tmp_path, monkeypatch
):
    for folder in ("bots", "flows"):
        (tmp_path / folder).mkdir()
    for name in ("echo.yaml", "echo.py"):
        shutil.copy(ROOT / "bots" / name, tmp_path / "bots")
    monkeypatch.setenv("SWITCHBOARD_BOTS", str(tmp_path / "bots"))
    monkeypatch.setenv("SWITCHBOARD_FLOWS", str(tmp_path / "flows"))
    monkeypatch.setattr(sys.modules[__name__], "NUMBERS", (NUMBERS[0], "+15550199"))
    async with (
        two_exchanges() as exchanges,
        serving(exchanges, tmp_path, monkeypatch, SESSION) as server,
    ):
        await exchanges[0].close()
        phone = await Phone.open()
        call = phone.dial("+15550199", exchanges[1].sip_address)
        async with asyncio.timeout(20):
            await call.wait_answered()
        phone.say(tone(440, 1.0))
        await phone.until(lambda: any(np.abs(f).max() > 2000 for f in phone.heard[-5:]), 20)
        await call.hangup()
        await until(lambda: not server.calls.running)
        (record,) = await server._store.calls()
        assert record.outcome == "caller_hung_up"
        await phone.close()


class Two:
    """Two LiveKits by hand, and what the server makes of them."""

    def __init__(self, first: FakeLiveKit, second: FakeLiveKit):
        self.fakes = (first, second)
        secret = SecretStr(SECRET)
        self.seats = Seats(2)
        self.assigned: list = []
        self.livekits = LiveKits(
            [LiveKitAccess(fake.url, "devkey", secret) for fake in self.fakes],
            self.seats,
            agent_name="switchboard",
            on_assigned=self.assigned.append,
            on_terminated=lambda _: None,
            probe_secs=0.01,
        )


@pytest.fixture
async def two():
    async with FakeLiveKit() as first, FakeLiveKit() as second:
        two = Two(first, second)
        task = asyncio.create_task(two.livekits.run())
        await until(lambda: all(not livekit.problem for livekit in two.livekits.all))
        yield two
        task.cancel()
        await asyncio.wait([task])
        await two.livekits.close()


async def test_an_api_that_is_not_well_gets_no_new_call_although_its_worker_is_registered(two):
    first, second = two.livekits.all
    assert two.livekits.choose() == first.access
    two.fakes[0].status = 406
    await until(lambda: first.problem)
    assert "not well" in first.problem and two.livekits.choose() == second.access
    assert two.livekits.why_no_calls() == []
    two.fakes[1].status = 503  # neither is quite well: an attempt is better than none
    await until(lambda: second.problem)
    assert two.livekits.choose() == first.access
    two.fakes[1].status = 200
    await until(lambda: two.livekits.choose() == second.access)
    two.fakes[0].status = 200
    await until(lambda: two.livekits.choose() == first.access)


async def test_both_share_the_seats_and_each_hears_of_its_own_jobs(two):
    first, second = two.fakes
    assert (await first.offer("AJ_1", "room")).available
    assert (await second.offer("AJ_2", "room")).available  # another room of the same name
    assert not (await first.offer("AJ_3", "other")).available
    for fake, job in ((first, "AJ_1"), (second, "AJ_2")):
        await fake.assign(job, "room")
        await fake.next("update_job")
    assert [a.access.url for a in two.assigned] == [first.url, second.url]
    two.livekits.finished("AJ_2", "")
    assert (await second.next("update_job")).job_id == "AJ_2"
    assert first.received.empty()


async def test_without_any_livekit_there_is_nowhere_to_call_from():
    secret = SecretStr(SECRET)
    livekits = LiveKits(
        [LiveKitAccess(f"ws://127.0.0.1:{port}", "devkey", secret) for port in (9, 19)],
        Seats(1),
        agent_name="switchboard",
        on_assigned=print,
        on_terminated=print,
        probe_secs=0.01,
    )
    task = asyncio.create_task(livekits.run())
    await until(lambda: livekits.choose() is None)
    await until(lambda: all("does not answer" in reason for reason in livekits.why_no_calls()))
    assert [state["up"] for state in (kit.state for kit in livekits.all)] == [False, False]
    task.cancel()
    await asyncio.wait([task])


def test_settings_give_each_its_key(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    from server.settings import load_settings

    values = {
        "LIVEKIT_URL": "ws://ignored",
        "LIVEKIT_URLS": "ws://a, wss://b ,wss://c",
        "LIVEKIT_API_KEY": "key-a",
        "LIVEKIT_API_SECRET": "secret-a",
        "LIVEKIT_API_KEY_2": "key-b",
        "LIVEKIT_API_SECRET_2": "secret-b",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    found = LiveKitAccess.all_of(load_settings())
    assert [(a.url, a.api_key, a.api_secret.get_secret_value()) for a in found] == [
        ("ws://a", "key-a", "secret-a"),
        ("wss://b", "key-b", "secret-b"),
        ("wss://c", "key-a", "secret-a"),
    ]
    assert "secret-b" not in repr(load_settings())
