"""Remembers which calls were asked for: so that a repeated request is one call, and not too many.

Kept in the store, so that it holds after a restart and for several servers together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from records.opt_outs import OptOuts
from records.outcomes import Outcome
from records.tables import calls, placed_calls

KEPT = timedelta(days=7)
NUMBER_WINDOW = timedelta(hours=1)
KEY_WINDOW = timedelta(minutes=1)
ATTEMPTS_WINDOW = timedelta(hours=24)
UNANSWERED: frozenset[Outcome] = frozenset({"busy", "no_answer", "voicemail", "trunk_failure"})
_LOCK = 0x53574943
"""Any number that is always the same and not the migrations'."""


@dataclass(frozen=True)
class PlacedCall:
    """A call that was asked for.

    Parameters:
        call_id: Its id.
        api_key: Names the key it was asked for with; not the key itself.
        number: Whom to call, E.164; "" for a browser.
        bot: Who calls.
        request_hash: Of the whole request.
        idempotency_key: The client's name for the request; None: it has none.
    """

    call_id: str
    api_key: str
    number: str
    bot: str
    request_hash: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True)
class PlacingLimits:
    """How many calls may be asked for; 0 is no limit.

    Parameters:
        per_number: To one number within an hour.
        per_key: With one API key within a minute.
    """

    per_number: int = 0
    per_key: int = 0


@dataclass(frozen=True)
class Claim:
    """What became of asking for a call.

    Parameters:
        call_id: The call: ours, or that of the first request with the same idempotency key.
        repeated: Whether it is the first request's.
        same: Whether a repeated request asks for the same as the first.
        age_secs: How long ago the first request was made.
        attempt: 1 more than the unanswered calls of this bot to this number in the last day.
    """

    call_id: str
    repeated: bool = False
    same: bool = True
    age_secs: float = 0.0
    attempt: int = 1


class TooManyCallsError(Exception):
    """A limit is reached.

    Parameters:
        code: ``too_many_calls_to_number`` or ``too_many_calls``.
        retry_after_secs: When the next call is allowed.
    """

    def __init__(self, code: str, retry_after_secs: int):
        super().__init__(f"{code}: again in {retry_after_secs} s")
        self.code, self.retry_after_secs = code, retry_after_secs


class PlacedCalls:
    """The calls that were asked for, of the last seven days."""

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ):
        """Use ``CallStore.placed``.

        Args:
            engine: A database with the tables.
            now: Wall clock, with time zone.
        """
        self._writes = engine.execution_options(writes=True)
        self._opt_outs = OptOuts(engine)
        self._postgres = engine.dialect.name == "postgresql"
        self._now = now

    async def claim(self, call: PlacedCall, limits: PlacingLimits) -> Claim:
        """Take the right to place a call, once for each idempotency key.

        Raises:
            TooManyCallsError: Nothing is kept then, nor with
            OptedOutError: Its owner does not want to be called.
        """
        now = self._now()
        async with self._writes.begin() as db:
            if self._postgres:  # SQLite has its write lock by now
                await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await db.execute(delete(placed_calls).where(placed_calls.c.placed_at < now - KEPT))
            if first := await self._first(db, call, now):
                return first
            if call.number:
                await self._opt_outs.check(db, call.number)
                code = "too_many_calls_to_number"
                is_same = placed_calls.c.number == call.number
                await self._check(db, code, is_same, limits.per_number, NUMBER_WINDOW, now)
            is_same = placed_calls.c.api_key == call.api_key
            await self._check(db, "too_many_calls", is_same, limits.per_key, KEY_WINDOW, now)
            attempt = await self._attempt(db, call, now)
            await db.execute(insert(placed_calls).values(placed_at=now, **vars(call)))
        return Claim(call.call_id, attempt=attempt)

    async def release(self, call_id: str) -> None:
        """Give a claim back: the call was never begun."""
        async with self._writes.begin() as db:
            await db.execute(delete(placed_calls).where(placed_calls.c.call_id == call_id))

    async def _first(self, db: AsyncConnection, call: PlacedCall, now: datetime) -> Claim | None:
        if call.idempotency_key is None:
            return None
        query = select(placed_calls).where(
            placed_calls.c.api_key == call.api_key,
            placed_calls.c.idempotency_key == call.idempotency_key,
        )
        row = (await db.execute(query)).first()
        if row is None:
            return None
        age_secs = (now - row.placed_at).total_seconds()
        same = row.request_hash == call.request_hash
        return Claim(row.call_id, repeated=True, same=same, age_secs=age_secs)

    async def _check(
        self, db: AsyncConnection, code: str, which, limit: int, window: timedelta, now: datetime
    ) -> None:
        if not limit:
            return
        recent = placed_calls.c.placed_at > now - window
        query = select(func.count()).select_from(placed_calls).where(which, recent)
        if (await db.scalar(query) or 0) < limit:
            return
        # The call that has to leave the window before another one fits in.
        newest = placed_calls.c.placed_at.desc()
        oldest = await db.scalar(
            select(placed_calls.c.placed_at)
            .where(which, recent)
            .order_by(newest)
            .offset(limit - 1)
            .limit(1)
        )
        assert oldest
        raise TooManyCallsError(code, max(1, ceil((oldest + window - now).total_seconds())))

    async def _attempt(self, db: AsyncConnection, call: PlacedCall, now: datetime) -> int:
        query = (
            select(calls.c.outcome)
            .join(placed_calls, placed_calls.c.call_id == calls.c.call_id)
            .where(
                placed_calls.c.number == call.number,
                placed_calls.c.bot == call.bot,
                placed_calls.c.placed_at > now - ATTEMPTS_WINDOW,
            )
            .order_by(placed_calls.c.placed_at.desc())
        )
        attempt = 1
        for outcome in (await db.scalars(query)).all():
            if outcome not in UNANSWERED:
                break
            attempt += 1
        return attempt
