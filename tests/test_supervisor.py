"""A call that does not end by itself is ended, in bounded time."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError

from bots.job import CallJob, DialOrder
from records.recordings import Recordings
from records.store import CallStore
from server.call_pool import CallPool
from server.call_process import ConfigurationError
from server.call_supervisor import CallLimits, CallSupervisor, Surroundings
from server.finished_recording import FinishedRecordings
from server.live_events import LiveEvents
from server.metrics import Metrics
from tests.fakes_server import fork_server_environment, until

QUICK = CallLimits(polite_secs=0.1, end_secs=0.1, cancel_secs=0.1)


class FakeRooms:
    def __init__(self):
        self.deleted: list[str] = []
        self.callers: set[str] = set()

    async def delete(self, room: str) -> bool:
        self.deleted.append(room)
        return True

    async def has_caller(self, room: str, identity: str) -> bool:
        return room in self.callers


# One fork server for all: each test takes a process of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool():
    pool = CallPool(
        "tests.fakes_server:load_session", warm=1, environment=fork_server_environment()
    )
    await pool.start()
    yield pool
    await pool.close()


@pytest_asyncio.fixture(loop_scope="module")
async def around(tmp_path, pool):
    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    recordings = FinishedRecordings(Recordings(str(tmp_path / "recordings")))
    yield Surroundings(pool, store, recordings, FakeRooms(), LiveEvents(), Metrics())
    await store.close()


def call_of(around, limits=QUICK, free=None, path="", **script) -> CallSupervisor:
    metadata = json.dumps(script)
    job = CallJob(
        "c1", "room-1", "ws://x", "t", "bot-room-1", metadata=metadata, recording_path=path
    )
    return CallSupervisor(
        job, around, limits, on_line_free=lambda: free.append(1) if free is not None else None
    )


async def run(call: CallSupervisor):
    async with asyncio.timeout(10):
        return await call.run()


async def answered(call: CallSupervisor) -> None:
    await until(lambda: any(e.type == "answered" for e in call.events))


async def test_a_call_that_listens_to_nothing_is_killed_and_recorded(around):
    free: list[int] = []
    call = call_of(around, free=free, end="deaf")
    running = asyncio.create_task(run(call))
    await answered(call)
    began = time.monotonic()
    call.hang_up(politely=True, outcome="max_duration")
    record = await running
    assert record.outcome == "max_duration" and "SIGKILL" in record.reason
    assert time.monotonic() - began < 3 and free == [1]
    assert around.rooms.deleted == ["room-1"]


async def test_a_harder_word_is_not_kept_waiting_by_a_polite_one(around):
    call = call_of(around, CallLimits(polite_secs=60, end_secs=0.1, cancel_secs=0.1), end="deaf")
    running = asyncio.create_task(run(call))
    await answered(call)
    call.hang_up(politely=True)
    call.hang_up(politely=False)
    assert (await running).outcome == "cancelled"


async def test_a_process_that_stays_after_its_last_word_is_killed_and_the_word_counts(around):
    record = await run(call_of(around, end="deaf after the end"))
    assert (record.outcome, record.reason) == ("completed", "bot")
    assert len(await around.store.calls()) == 1


async def test_what_a_call_leaves_running_does_not_keep_its_process(around):
    patient = CallLimits(polite_secs=60, end_secs=60, cancel_secs=60)
    assert (await run(call_of(around, patient, end="leaves a deaf task"))).outcome == "completed"


async def test_a_call_ended_before_its_process_started_ends(around):
    call = call_of(around)
    call.hang_up(politely=True)
    assert (await run(call)).reason == "politely"


async def test_without_a_process_there_is_still_a_record_and_no_room(around):
    async def none_left():
        raise ConfigurationError("the fork server is not running")

    call = call_of(SimpleNamespace(**{**vars(around), "pool": SimpleNamespace(take=none_left)}))
    record = await run(call)
    assert (record.outcome, record.reason) == ("worker_lost", "no call process")
    assert record.errors[0].message == "the fork server is not running"
    assert around.rooms.deleted == ["room-1"] and record.room == "room-1"


async def test_a_store_that_fails_for_a_while_loses_no_record(around, monkeypatch):
    save, failures = around.store.save, iter([1])

    async def flaky(record):
        if next(failures, 0):
            raise OperationalError("save", {}, OSError("disk"))
        await save(record)

    monkeypatch.setattr(around.store, "save", flaky)
    record = await run(call_of(around, end="at once"))
    assert await around.store.call("c1") == record


async def test_a_recording_without_sound_and_one_that_is_none_do_not_stop_the_record(
    around, tmp_path
):
    path = tmp_path / "c1.wav"
    path.write_bytes(b"nonsense")
    record = await run(call_of(around, path=str(path), end="at once"))
    assert record.recording is None and record.errors[0].source == "recording"


async def test_watchers_see_the_call_to_its_record(around):
    with around.live.watch("c1") as watcher:
        await run(call_of(around, end="at once"))
        seen = []
        while (event := watcher.queue.get_nowait()) is not None:
            seen.append(event.type)
    assert (seen[0], seen[-1]) == ("call_started", "call_ended")


def call_out(around, path, **script) -> CallSupervisor:
    around.rooms.callers.add("room-1")
    metadata = json.dumps({**script, "mark": str(path / "mark")})
    job = CallJob("c1", "room-1", "ws://x", "t", "bot", metadata=metadata, dial=DialOrder("+1"))
    return CallSupervisor(job, around, QUICK, on_line_free=lambda: None)


async def test_a_phone_that_rings_is_not_dialled_again_when_the_process_dies(around, tmp_path):
    record = await run(call_out(around, tmp_path, end="killed while it rings"))
    assert record.outcome == "worker_lost" and "SIGKILL" in record.reason
    assert around.rooms.deleted == ["room-1"], "which stops the ringing"


async def test_an_answered_phone_is_taken_over_without_dialling_again(around, tmp_path):
    call = call_out(around, tmp_path, end="killed once")
    running = asyncio.create_task(run(call))
    await until(lambda: sum(e.type == "answered" for e in call.events) == 2)
    call.hang_up(politely=True)
    assert (await running).reason == "second process"


async def test_a_call_has_a_record_before_its_process_says_a_word(around):
    job = CallJob("c1", "call_c1", "ws://x", "t", "bot", "outbound", "b", dial=DialOrder("+1555"))
    record = CallSupervisor(job, around, QUICK, on_line_free=lambda: None).record
    assert (record.direction, record.dialled, record.bot) == ("outbound", "+1555", "b")
    assert record.outcome is None
