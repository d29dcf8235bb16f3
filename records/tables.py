"""The tables of the store, as the latest migration leaves them."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with time zone; kept in UTC also where the database knows no zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC on the way in."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Add the zone that SQLite drops."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("bot", String),
    Column("outcome", String),
    # NULL: not saved, or older than the newest event; the events are folded instead.
    Column("record", JSON(none_as_null=True)),
    Index("calls_newest_first", "started_at", "call_id"),
    Index("calls_outcome", "outcome"),
)

events = Table(
    "events",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("body", JSON, nullable=False),
)

webhook_ids = Table(
    "webhook_ids",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("claimed_at", UtcDateTime, nullable=False),
    Index("webhook_ids_claimed_at", "claimed_at"),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("number", String, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("call_id", String, nullable=False),
)

placed_calls = Table(
    "placed_calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("api_key", String, nullable=False),
    Column("number", String, nullable=False),
    Column("bot", String, nullable=False),
    Column("idempotency_key", String),
    Column("request_hash", String, nullable=False),
    Index("placed_calls_once", "api_key", "idempotency_key", unique=True),
    Index("placed_calls_number", "number", "placed_at"),
    Index("placed_calls_placed_at", "placed_at"),
)
