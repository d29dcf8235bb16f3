"""Whole calls through the server: a fake LiveKit before it, a fake session in real processes."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from livekit.protocol import agent as proto
from pydantic import SecretStr

from records.call_record import CallRecord
from records.store import CallStore
from server.call_process import ConfigurationError
from server.server import Server
from server.settings import Settings
from tests.fakes_server import FakeLiveKit, fork_server_environment, until

KEY = "api-key"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", fork_server_environment()["PYTHONPATH"])
    return Settings(
        livekit_api_key="devkey",
        livekit_api_secret=SecretStr("secret-of-at-least-32-characters!"),
        data=tmp_path,
        api_port=0,
        warm_calls=1,
        max_calls=2,
    )


class RunningServer:
    def __init__(self, server: Server, livekit: FakeLiveKit, store: CallStore):
        self.server, self.livekit, self.store = server, livekit, store

    async def call(self, room: str, **script) -> str:
        """Lets a call begin; returns its id."""
        before = {c.job.call_id for c in self.server.calls.running}
        metadata = json.dumps(script)
        assert (await self.livekit.offer(f"AJ_{room}", room)).available
        await self.livekit.assign(f"AJ_{room}", room, metadata)
        assert (await self.livekit.next("update_job")).job_id == f"AJ_{room}"
        await until(lambda: {c.job.call_id for c in self.server.calls.running} - before)
        return next(iter({c.job.call_id for c in self.server.calls.running} - before))

    async def answered(self, call_id: str) -> None:
        call = self.server.calls.get(call_id)
        await until(lambda: not call or any(e.type == "answered" for e in call.events))

    async def over(self, call_id: str) -> CallRecord:
        await until(lambda: not self.server.calls.get(call_id))
        record = await self.store.call(call_id)
        assert record
        return record


@asynccontextmanager
async def running(settings: Settings, livekit: FakeLiveKit) -> AsyncIterator[RunningServer]:
    settings = settings.model_copy(update={"livekit_url": livekit.url})
    store = await CallStore.open(settings.database)
    server = Server(settings, KEY, store, session="tests.fakes_server:load_session")
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(10):
        await server.livekits.wait_registered()
    try:
        yield RunningServer(server, livekit, store)
    finally:
        server.stop("now")
        async with asyncio.timeout(15):
            await task


@pytest.fixture
async def livekit():
    async with FakeLiveKit() as livekit:
        yield livekit


async def test_a_call_leaves_one_record_no_room_and_a_free_seat(settings, livekit):
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1", end="at once", record=1.0)
        record = await house.over(call_id)
        assert record.outcome == "completed" and record.bot == "echo"
        assert record.recording_secs == 1.0 and record.tape is not None
        assert (await house.store.calls()) == [record]
        assert livekit.deleted == ["room-1"]
        assert house.server.seats.taken == 0
        update = await livekit.next("update_job")
        assert (update.job_id, update.error) == ("AJ_room-1", "")
        spool = settings.spool
        assert [p.name for p in spool.iterdir()] == []


async def test_two_calls_at_once_fill_the_server_and_a_third_is_refused(settings, livekit):
    async with running(settings, livekit) as house:
        first, second = await house.call("room-1"), await house.call("room-2")
        assert not (await livekit.offer("AJ_3", "room-3")).available
        for call_id in (first, second):
            await house.answered(call_id)
            house.server.calls.get(call_id).hang_up(politely=True)
        outcomes = {(await house.over(c)).reason for c in (first, second)}
        assert outcomes == {"politely"}
        assert (await livekit.offer("AJ_3", "room-3")).available


async def test_a_killed_call_process_is_replaced_while_the_caller_is_there(
    settings, livekit, tmp_path
):
    livekit.callers.add("room-1")
    async with running(settings, livekit) as house:
        mark = str(tmp_path / "mark")
        call_id = await house.call("room-1", end="killed once", mark=mark, record=1.0)
        call = house.server.calls.get(call_id)
        await until(lambda: any(e.type == "error_raised" for e in call.events))
        call.hang_up(politely=True)
        record = await house.over(call_id)
        assert record.reason == "second process"
        assert record.errors[0].message == "call process killed by SIGKILL"
        assert record.recording_secs == 2.0
        assert livekit.deleted == ["room-1"]


@pytest.mark.parametrize("caller_is_there", [True, False])
async def test_a_call_whose_processes_are_killed_is_worker_lost_once(
    settings, livekit, caller_is_there
):
    if caller_is_there:
        livekit.callers.add("room-1")
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1", end="killed")
        record = await house.over(call_id)
        assert record.outcome == "worker_lost" and "SIGKILL" in record.reason
        assert len(record.errors) == caller_is_there
        assert len(await house.store.calls()) == 1
        assert livekit.deleted == ["room-1"]
        assert (await livekit.next("update_job")).error == "worker_lost"


async def test_a_session_that_breaks_is_not_tried_again(settings, livekit):
    livekit.callers.add("room-1")
    async with running(settings, livekit) as house:
        record = await house.over(await house.call("room-1", end="raise"))
        assert record.outcome == "worker_lost" and len(record.errors) == 1


async def test_a_call_reaches_its_longest_time(settings, livekit):
    settings = settings.model_copy(update={"max_call_secs": 0.3})
    async with running(settings, livekit) as house:
        record = await house.over(await house.call("room-1"))
        assert (record.outcome, record.reason) == ("max_duration", "politely")


async def test_a_room_is_deleted_though_livekit_is_busy(settings, livekit):
    livekit.delete_failures = 2
    async with running(settings, livekit) as house:
        await house.over(await house.call("room-1", end="at once"))
        assert livekit.deleted == ["room-1"]


async def test_a_job_that_livekit_ends_is_hung_up(settings, livekit):
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1")
        await house.answered(call_id)
        await livekit.send(termination={"job_id": "AJ_room-1"})
        assert (await house.over(call_id)).reason == "politely"


async def test_a_draining_server_waits_for_its_calls_and_takes_no_more(settings, livekit):
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1")
        await house.answered(call_id)
        house.server.stop("drain")
        await until(lambda: livekit.statuses[-1].status == proto.WorkerStatus.WS_FULL)
        assert not (await livekit.offer("AJ_2", "room-2")).available
        assert house.server.why_not_ready() == ["the server is stopping"]
        assert house.server.calls.get(call_id)
        house.server.stop("hang_up")
        async with asyncio.timeout(10):
            await house.server.calls.wait_idle()
    store = await CallStore.open(settings.database)
    assert (await store.call(call_id)).reason == "politely"
    await store.close()


async def test_calls_of_a_server_that_was_killed_get_their_record_at_the_next_start(
    settings, livekit
):
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1", record=1.0)
        await house.answered(call_id)
        mark = settings.spool / f"{call_id}.running"
        mark.write_text("1:0\nroom-1\n")  # as if another server had it
        kept = mark.read_text(), (settings.spool / f"{call_id}.wav").read_bytes()
        events = await house.store.events(call_id)
    (settings.data / "switchboard.db").unlink()
    store = await CallStore.open(settings.database)
    for event in events:
        await store.append(event)
    await store.close()
    mark.write_text(kept[0])
    (settings.spool / f"{call_id}.wav").write_bytes(kept[1])
    async with running(settings, livekit) as house:
        record = await house.store.call(call_id)
        assert (record.outcome, record.reason) == ("worker_lost", "server killed")
        assert record.recording_secs == 1.0
        assert not mark.exists()


async def test_a_port_in_use_is_named_with_the_remedy(settings, livekit):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    store = await CallStore.open(settings.database)
    server = Server(
        settings.model_copy(update={"api_port": port, "livekit_url": livekit.url}),
        KEY,
        store,
        session="tests.fakes_server:load_session",
    )
    with pytest.raises(ConfigurationError, match=f"port {port}: .*SWITCHBOARD_API_PORT"):
        await server.run()
    taken.close()
    await taken.wait_closed()


async def test_readiness_tells_what_is_missing(settings, livekit):
    async with running(settings, livekit) as house, aiohttp.ClientSession() as session:
        url = house.server.api.url
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 200
        livekit.refuse = 401
        await livekit.socket.close()
        await until(lambda: "LIVEKIT_API_SECRET" in house.server.livekits.all[0].worker.problem)
        async with session.get(f"{url}/readyz") as answer:
            assert answer.status == 503
            assert "refused the key 'devkey'" in (await answer.json())["reasons"][0]


async def test_a_call_process_killed_from_outside_ends_the_call(settings, livekit):
    async with running(settings, livekit) as house:
        call_id = await house.call("room-1")
        await house.answered(call_id)
        os.kill(house.server.calls.get(call_id)._process.pid, signal.SIGKILL)
        assert (await house.over(call_id)).outcome == "worker_lost"


async def test_a_record_that_could_not_be_saved_is_saved_by_the_next_server(
    settings, livekit, monkeypatch
):
    async def broken(_):
        raise OSError("disk full")

    async with running(settings, livekit) as house:
        call_id = await house.call("room-1", end="at once")
        monkeypatch.setattr(house.store, "save", broken)
        await until(lambda: not house.server.calls.get(call_id))
        assert (settings.spool / f"{call_id}.running").exists()
    (settings.spool / f"{call_id}.running").write_text("1:0\nroom-1\n")
    async with running(settings, livekit) as house:
        assert (await house.store.call(call_id)).outcome == "completed"
        assert not (settings.spool / f"{call_id}.running").exists()
