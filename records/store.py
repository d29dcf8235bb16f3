"""Keeps every call: its events as they come, its record when it is over."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from sqlalchemy import Select, Table, and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from records.call_record import CallRecord
from records.database import StoreError, create_engine, database_url
from records.event import Event
from records.events import EVENT, AnyEvent
from records.line_events import NumberOptedOut
from records.migrate import migrate
from records.opt_outs import OptOut, OptOuts
from records.placed_calls import PlacedCalls
from records.tables import calls, events, webhook_ids

WEBHOOKS_KEPT = timedelta(days=7)


class CallStore:
    """Calls in SQLite or Postgres; safe for several tasks at once.

    A call is there from its first event on, and ``calls`` and ``call`` always show what its events
    say: a saved record is used as long as nothing came after it, else the events are folded.

    Parameters:
        placed: Which calls were asked for.
        opt_outs: Which numbers are not called.
    """

    def __init__(self, engine: AsyncEngine):
        """Use ``CallStore.open``."""
        self._engine = engine
        self._writes = engine.execution_options(writes=True)
        self._insert = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        self._unsaved: set[str] = set()
        self.placed = PlacedCalls(engine)
        self.opt_outs = OptOuts(engine)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect, and bring the schema up to date.

        Args:
            url: ``sqlite:///PATH`` (its folder is made), ``sqlite://`` for one in memory, or
                ``postgresql://USER@HOST/NAME``.

        Raises:
            StoreError: With what to do about it; never with the password.
        """
        parsed = database_url(url)
        engine = create_engine(parsed)
        store = cls(engine)
        try:
            async with store._writes.begin() as db:
                await db.run_sync(migrate)
                await store._forget_old_webhooks(db)
        except (OSError, SQLAlchemyError) as e:
            await engine.dispose()
            cause = getattr(e, "orig", None) or e
            raise StoreError(
                "cannot_open",
                f"{parsed.set(query={}).render_as_string(hide_password=True)}: {cause}",
                "check that the database is there and may be written",
                retryable=True,
            ) from e
        except BaseException:
            await engine.dispose()
            raise
        return store

    async def close(self) -> None:
        """Close all connections; safe to call twice."""
        await self._engine.dispose()

    async def append(self, event: Event) -> bool:
        """Keep one event.

        Returns:
            False if the call has an event of that number already: then nothing changes.
        """
        body = event.model_dump(mode="json")
        row = {
            "call_id": event.call_id,
            "seq": event.seq,
            "type": body["type"],
            "at": event.at,
            "body": body,
        }
        async with self._writes.begin() as db:
            if not await self._add(db, events, row):
                return False
            if isinstance(event, NumberOptedOut):
                said = OptOut(event.number, event.at, event.call_id)
                await self.opt_outs.note(db, said)
            if event.call_id not in self._unsaved:
                await self._outdate_record(db, event)
        self._unsaved.add(event.call_id)
        return True

    async def save(self, record: CallRecord) -> None:
        """Keep the record of a call, in place of an older one."""
        row = {
            "call_id": record.call_id,
            "started_at": record.started_at,
            "ended_at": record.ended_at,
            "bot": record.bot,
            "outcome": record.outcome,
            "record": record.model_dump(mode="json"),
        }
        statement = self._insert(calls).values(row)
        statement = statement.on_conflict_do_update(index_elements=["call_id"], set_=row)
        async with self._writes.begin() as db:
            await db.execute(statement)
        self._unsaved.discard(record.call_id)

    async def calls(self, limit: int = 50, before: str | None = None) -> list[CallRecord]:
        """List calls, newest first; those that run have no outcome.

        Args:
            limit: How many at most.
            before: Go on behind this call's id, the last one of the page before.

        Raises:
            StoreError: ``unknown_call``, if there is no call ``before``.
        """
        query = select(calls.c.call_id, calls.c.record)
        query = query.order_by(calls.c.started_at.desc(), calls.c.call_id.desc()).limit(limit)
        async with self._engine.connect() as db:
            if before is not None:
                query = query.where(await self._older_than(db, before))
            return await self._records(db, query)

    async def call(self, call_id: str) -> CallRecord | None:
        """Find one call."""
        query = select(calls.c.call_id, calls.c.record).where(calls.c.call_id == call_id)
        async with self._engine.connect() as db:
            found = await self._records(db, query)
        return found[0] if found else None

    async def events(self, call_id: str, after_seq: int = 0) -> list[AnyEvent]:
        """List a call's events in order, those behind number ``after_seq``."""
        query = select(events.c.body).where(events.c.call_id == call_id, events.c.seq > after_seq)
        async with self._engine.connect() as db:
            bodies = (await db.scalars(query.order_by(events.c.seq))).all()
        return [EVENT.validate_python(body) for body in bodies]

    async def running(self) -> list[str]:
        """List the calls without an outcome, oldest first: after a crash, those to be closed."""
        query = select(calls.c.call_id).where(calls.c.outcome.is_(None))
        async with self._engine.connect() as db:
            found = await db.scalars(query.order_by(calls.c.started_at, calls.c.call_id))
            return list(found.all())

    async def claim_webhook(self, event_id: str) -> bool:
        """Take a webhook's event id; True for the first who does."""
        row = {"event_id": event_id, "claimed_at": datetime.now(UTC)}
        async with self._writes.begin() as db:
            return await self._add(db, webhook_ids, row)

    async def _add(self, db: AsyncConnection, table: Table, row: dict[str, Any]) -> bool:
        done = await db.execute(self._insert(table).values(row).on_conflict_do_nothing())
        return done.rowcount == 1

    async def _outdate_record(self, db: AsyncConnection, event: Event) -> None:
        statement = self._insert(calls).values(call_id=event.call_id, started_at=event.at)
        await db.execute(
            statement.on_conflict_do_update(index_elements=["call_id"], set_={"record": None})
        )

    async def _older_than(self, db: AsyncConnection, call_id: str) -> Any:
        query = select(calls.c.started_at).where(calls.c.call_id == call_id)
        started_at = await db.scalar(query)
        if started_at is None:
            raise StoreError(
                "unknown_call", f"no call {call_id!r}", "page by an id that was listed"
            )
        same = and_(calls.c.started_at == started_at, calls.c.call_id < call_id)
        return or_(calls.c.started_at < started_at, same)

    async def _records(self, db: AsyncConnection, query: Select[Any, Any]) -> list[CallRecord]:
        rows = (await db.execute(query)).all()
        folded = await self._fold(db, [row.call_id for row in rows if row.record is None])
        return [_record(row.record) or folded[row.call_id] for row in rows]

    async def _fold(self, db: AsyncConnection, call_ids: list[str]) -> dict[str, CallRecord]:
        if not call_ids:
            return {}
        query = select(events.c.call_id, events.c.body).where(events.c.call_id.in_(call_ids))
        by_call: dict[str, list[AnyEvent]] = {}
        for call_id, body in (await db.execute(query)).all():
            by_call.setdefault(call_id, []).append(EVENT.validate_python(body))
        return {call_id: CallRecord.fold(them) for call_id, them in by_call.items()}

    async def _forget_old_webhooks(self, db: AsyncConnection) -> None:
        oldest = datetime.now(UTC) - WEBHOOKS_KEPT
        await db.execute(delete(webhook_ids).where(webhook_ids.c.claimed_at < oldest))


def _record(saved: Any) -> CallRecord | None:
    return None if saved is None else CallRecord.model_validate(saved)
