"""Call processes are forked from one server, and each end is seen."""

import asyncio
import os
import signal

import psutil
import pytest
import pytest_asyncio

from bots.job import CallJob
from records.events import EVENT, AnyEvent
from server.call_pool import CallPool
from server.call_process import ConfigurationError
from server.forked_process import ForkedProcess
from tests.fakes_server import ROOT, fork_server_environment, until


def pool_of(session: str = "load_session", warm: int = 1) -> CallPool:
    session = f"tests.fakes_server:{session}"
    return CallPool(session, warm=warm, environment=fork_server_environment())


# One fork server for all: each test takes processes of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool():
    pool = pool_of()
    await pool.start()
    yield pool
    await pool.close()


def order(metadata: str = "", room: str = "room-1", **after) -> dict:
    job = CallJob("c1", room, "ws://unused", "token", "bot-room-1", metadata=metadata)
    return {"job": vars(job), **after}


async def events_of(process: ForkedProcess) -> list[AnyEvent]:
    async with asyncio.timeout(10):
        return [EVENT.validate_json(line) async for line in process.lines()]


async def exit_of(process: ForkedProcess) -> int | None:
    async with asyncio.timeout(10):
        await process.exited.wait()
    process.close()
    return process.status


async def test_a_call_tells_every_event_and_leaves(pool):
    process = await pool.take()
    process.send(order('{"end": "at once"}'))
    events = await events_of(process)
    assert [e.type for e in events][0] == "call_started" and events[-1].type == "call_ended"
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert await exit_of(process) == 0


async def test_a_taken_process_is_replaced(pool):
    first = await pool.take()
    await until(lambda: pool.idle == 1)
    second = await pool.take()
    assert first.pid != second.pid
    await asyncio.gather(first.stop(2), second.stop(2))


async def test_more_calls_than_warm_processes_are_forked_on_demand(pool):
    processes = [await pool.take() for _ in range(4)]
    assert len({p.pid for p in processes}) == 4
    await asyncio.gather(*(p.stop(2) for p in processes))


async def test_a_call_hangs_up_when_told(pool):
    process = await pool.take()
    process.send(order())
    process.send({"do": "hang_up", "politely": True})
    assert (await events_of(process))[-1].reason == "politely"
    assert await exit_of(process) == 0


async def test_a_call_ends_by_itself_and_its_room_too_when_the_server_is_gone(pool, tmp_path):
    process = await pool.take()
    process.send(order(room=str(tmp_path / "room")))
    lines = process.lines()
    await anext(lines)
    process.close()
    assert await exit_of(process) == 0
    assert (tmp_path / "room").exists()


async def test_last_words_are_heard_though_the_process_left_with_a_command_unread(pool):
    process = await pool.take()
    process.send(order('{"end": "at once"}'))
    await process.exited.wait()
    process.send({"do": "hang_up"})
    assert (await events_of(process))[-1].type == "call_ended"
    process.close()


async def test_sigterm_cancels_a_call_that_still_tells_its_end(pool):
    process = await pool.take()
    process.send(order())
    lines = process.lines()
    for _ in range(4):
        await anext(lines)
    process.signal(signal.SIGTERM)
    assert EVENT.validate_json(await anext(lines)).outcome == "cancelled"
    assert await exit_of(process) == 0


async def test_a_killed_call_keeps_what_it_said_and_the_next_works(pool):
    process = await pool.take()
    process.send(order('{"end": "killed"}'))
    assert [e.type for e in await events_of(process)][-1] == "answered"
    assert await exit_of(process) == -signal.SIGKILL
    again = await pool.take()
    again.send(order('{"end": "at once"}'))
    assert (await events_of(again))[-1].type == "call_ended"
    await exit_of(again)


async def test_a_call_that_ignores_sigterm_is_killed(pool):
    process = await pool.take()
    process.send(order('{"end": "deaf"}'))
    lines = process.lines()
    for _ in range(4):
        await anext(lines)
    await process.stop(0.1)
    assert process.status == -signal.SIGKILL


async def test_a_session_that_breaks_says_so_and_ends_the_call(pool):
    process = await pool.take()
    process.send(order('{"end": "raise"}'))
    error, end = (await events_of(process))[-2:]
    assert error.message == "RuntimeError: the session broke" and end.outcome == "worker_lost"
    assert await exit_of(process) == 1


async def test_a_second_process_goes_on_counting_after_the_first(pool):
    process = await pool.take()
    process.send(order('{"end": "at once"}'))
    last = (await events_of(process))[0]
    await exit_of(process)
    again = await pool.take()
    again.send(order('{"end": "at once"}', after=last.model_dump(mode="json")))
    assert (await events_of(again))[0].seq == 2
    await exit_of(again)


async def test_the_fork_server_has_one_thread(pool):
    assert psutil.Process(pool.fork_server_pid).num_threads() == 1


async def test_a_dead_fork_server_is_replaced_and_running_calls_go_on(pool):
    process = await pool.take()
    process.send(order())
    dead = pool.fork_server_pid
    os.kill(dead, signal.SIGKILL)
    await until(lambda: pool.is_warm and pool.fork_server_pid != dead)
    process.send({"do": "hang_up", "politely": True})
    assert (await events_of(process))[-1].type == "call_ended"
    assert await exit_of(process) is None  # nobody is left to tell the status
    again = await pool.take()
    await again.stop(2)


async def test_what_is_shared_is_prepared_in_a_process_of_its_own(pool):
    assert await pool.warm_up(5)


@pytest.mark.parametrize(
    "session, message",
    [
        ("load_misconfigured", "claimed twice"),
        ("load_broken", "ended while loading"),
        ("load_with_a_thread", "has 2 threads and must have one"),
    ],
)
async def test_a_pool_that_cannot_load_says_why(session, message):
    pool = pool_of(session)
    with pytest.raises(ConfigurationError, match=message):
        await pool.start()
    await pool.close()


async def test_the_real_session_is_loaded_in_one_thread(monkeypatch, tmp_path):
    for provider in ("DEEPGRAM", "OPENAI", "CARTESIA"):
        monkeypatch.setenv(f"{provider}_API_KEY", "k")
    monkeypatch.setenv("SWITCHBOARD_BOTS", str(ROOT / "bots"))
    monkeypatch.setenv("SWITCHBOARD_FLOWS", str(ROOT / "flows"))
    monkeypatch.setenv("SWITCHBOARD_LOG_LEVEL", "ERROR")
    monkeypatch.chdir(tmp_path)
    pool = CallPool("server.preload:load_session", warm=1, environment=fork_server_environment())
    await pool.start()
    try:
        assert pool.is_warm and psutil.Process(pool.fork_server_pid).num_threads() == 1
        process = await pool.take()
        process.close()  # no job ever comes
        assert await exit_of(process) == 0
    finally:
        await pool.close()
