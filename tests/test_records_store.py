import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from records.call_record import CallRecord
from records.database import StoreError, create_engine, database_url
from records.events import CallEnded, ErrorRaised, Transcribed
from records.log import EventLog
from records.store import CallStore
from records.tables import metadata
from tests.fakes_postgres import postgres_bin, postgres_server
from tests.fakes_records import NOON, FakeCall, booking

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    if not postgres_bin():
        pytest.skip("no Postgres server is installed on this machine")
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres_server())
        except subprocess.CalledProcessError as e:
            pytest.skip(f"the Postgres server of this machine does not start: {e}")
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/calls.db"
    url: str = request.getfixturevalue("postgres_url")
    engine = create_engine(database_url(url))
    async with engine.begin() as db:
        await db.execute(text("DROP SCHEMA public CASCADE"))
        await db.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    return url


@pytest.fixture
async def store(url) -> AsyncIterator[CallStore]:
    store = await CallStore.open(url)
    yield store
    await store.close()


async def keep(store: CallStore, events) -> CallRecord:
    for event in events:
        await store.append(event)
    record = CallRecord.fold(events)
    await store.save(record)
    return record


async def test_a_running_call_is_listed_without_an_outcome(store):
    for event in booking()[:10]:
        await store.append(event)
    (listed,) = await store.calls()
    assert (listed.bot, listed.outcome) == ("receptionist", None)
    assert listed == CallRecord.fold(booking()[:10])
    assert await store.running() == ["call-1"]


async def test_a_call_that_is_over_has_one_record(store):
    record = await keep(store, booking())
    await store.save(record)
    assert await store.calls() == [record]
    assert await store.call("call-1") == record
    assert await store.running() == []


async def test_events_come_back_in_order_and_from_a_number_on(store):
    events = booking()
    for event in reversed(events):
        assert await store.append(event)
    assert await store.events("call-1") == events
    assert await store.events("call-1", after_seq=30) == events[30:]
    assert await store.events("call-2") == []


async def test_an_event_that_comes_twice_is_kept_once(store):
    record = await keep(store, booking())
    twice = Transcribed(call_id="call-1", seq=3, at=NOON, t=0, text="other", final=True)
    assert not await store.append(twice)
    assert await store.events("call-1") == booking()
    assert await store.call("call-1") == record


async def test_what_happens_after_the_record_was_saved_is_in_it(store):
    events = booking()
    early = CallRecord.fold(events[:-2])
    await keep(store, events[:-2])
    assert await store.call("call-1") == early
    await store.append(events[-2])
    await store.append(events[-1])
    assert await store.call("call-1") == CallRecord.fold(events)


async def test_calls_are_paged_newest_first(store):
    began = {f"c{n}": NOON + timedelta(minutes=n // 2) for n in range(5)}
    for call_id, at in began.items():
        await keep(store, booking(call_id, at))
    first = await store.calls(limit=2)
    assert [c.call_id for c in first] == ["c4", "c3"]
    assert [c.call_id for c in await store.calls(limit=2, before="c3")] == ["c2", "c1"]
    assert [c.call_id for c in await store.calls(before="c1")] == ["c0"]
    assert await store.calls(before="c0") == []
    with pytest.raises(StoreError, match="no call 'c9'") as refused:
        await store.calls(before="c9")
    assert refused.value.code == "unknown_call"


async def test_an_unknown_call_is_none(store):
    assert await store.call("nobody") is None


async def test_a_webhook_is_claimed_once_also_by_ten_at_once(store):
    claims = await asyncio.gather(*(store.claim_webhook("EV_1") for _ in range(10)))
    assert sorted(claims) == [False] * 9 + [True]
    assert await store.claim_webhook("EV_2")


async def test_ten_calls_write_at_once(store):
    calls = [booking(f"c{n}") for n in range(10)]
    records = await asyncio.gather(*(keep(store, events) for events in calls))
    assert sorted(await store.calls(), key=lambda r: r.call_id) == records


async def test_calls_outlive_the_server(url):
    store = await CallStore.open(url)
    await keep(store, booking())
    unfinished = FakeCall("call-2").at(1, ErrorRaised, source="x", message="y")
    await store.append(unfinished)
    await store.close()
    await store.close()

    store = await CallStore.open(url)
    assert await store.running() == ["call-2"]
    events: list = []
    EventLog.after(unfinished, events.append).add(CallEnded, outcome="worker_lost")
    await store.append(events[0])
    record = CallRecord.fold(await store.events("call-2"))
    await store.save(record)
    assert record.outcome == "worker_lost"
    assert {c.call_id for c in await store.calls()} == {"call-1", "call-2"}
    assert await store.running() == []
    await store.close()


async def test_servers_that_start_together_make_one_schema(url):
    stores = await asyncio.gather(*(CallStore.open(url) for _ in range(3)))
    assert await stores[0].claim_webhook("EV")
    assert not await stores[1].claim_webhook("EV")
    for store in stores:
        await store.close()


async def test_words_of_any_script_and_odd_characters_are_kept(store):
    call = FakeCall()
    call.at(1, Transcribed, text="Grüße 日本 🙂 \x00 \"'; DROP TABLE calls", final=True)
    assert await store.append(call.events[0])
    assert await store.events("call-1") == call.events


async def test_times_keep_their_zone(store):
    record = await keep(store, booking(began=datetime(2026, 7, 1, 23, 59, tzinfo=UTC)))
    found = await store.call("call-1")
    assert found and found.started_at == record.started_at and found.started_at.tzinfo


async def test_the_tables_are_those_of_the_migrations(url):
    await (await CallStore.open(url)).close()

    def differences(connection: Connection) -> list:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    engine = create_engine(database_url(url))
    async with engine.connect() as db:
        assert await db.run_sync(differences) == []
    await engine.dispose()


async def test_a_database_of_a_newer_version_is_left_alone(url):
    await (await CallStore.open(url)).close()
    engine = create_engine(database_url(url))
    async with engine.begin() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(StoreError, match="9999.*update switchboard") as refused:
        await CallStore.open(url)
    assert refused.value.code == "newer_schema"


async def test_old_webhooks_are_forgotten_at_the_start(tmp_path):
    url = f"sqlite:///{tmp_path}/calls.db"
    store = await CallStore.open(url)
    await store.claim_webhook("old")
    await store.claim_webhook("new")
    await store.close()
    with sqlite3.connect(tmp_path / "calls.db") as db:
        db.execute("UPDATE webhook_ids SET claimed_at='2026-01-01 00:00:00' WHERE event_id='old'")
    db.close()
    store = await CallStore.open(url)
    assert [await store.claim_webhook(i) for i in ("old", "new")] == [True, False]
    await store.close()


async def test_a_store_in_memory_serves_several_tasks():
    store = await CallStore.open("sqlite://")
    await asyncio.gather(*(keep(store, booking(f"c{n}")) for n in range(3)))
    assert len(await store.calls()) == 3
    await store.close()


async def test_sqlite_writes_ahead_so_that_readers_never_wait(tmp_path):
    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    reader = sqlite3.connect(tmp_path / "calls.db")
    assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM calls").fetchall()
    await keep(store, booking())
    reader.close()
    assert len(await store.calls()) == 1
    await store.close()


@pytest.mark.parametrize(
    "url, code, words",
    [
        ("mysql://u:hush@h/d", "bad_url", "'mysql' is not one of sqlite, postgresql"),
        ("just words: hush", "bad_url", "use sqlite:///PATH"),
        ("postgresql://u:hush@127.0.0.1:1/d", "cannot_open", "127.0.0.1:1/d"),
        ("sqlite:////proc/none/calls.db", "cannot_open", "/proc/none"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named_with_a_remedy_and_no_password(
    url, code, words
):
    with pytest.raises(StoreError) as refused:
        await CallStore.open(url)
    assert refused.value.code == code
    assert words in str(refused.value)
    assert "hush" not in str(refused.value)


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "calls.db").write_text("this is not a database, but it is long enough" * 20)
    with pytest.raises(StoreError, match="calls.db") as refused:
        await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    assert refused.value.code == "cannot_open"


def test_alembics_own_command_migrates_and_prints_postgres_sql(tmp_path):
    alembic = [sys.executable, "-m", "alembic", "-c", str(ROOT / "records/alembic.ini"), "-x"]

    def run(*args: str) -> str:
        return subprocess.run(
            [*alembic, *args], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    url = f"url=sqlite:///{tmp_path}/calls.db"
    run(url, "upgrade", "head")
    with sqlite3.connect(tmp_path / "calls.db") as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    db.close()
    assert {"calls", "events", "webhook_ids"} <= tables
    sql = run("url=postgresql://nobody/nothing", "upgrade", "head", "--sql")
    assert "started_at TIMESTAMP WITH TIME ZONE NOT NULL" in sql
