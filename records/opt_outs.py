"""Numbers that no bot calls, because somebody said so."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from records.tables import opt_outs


@dataclass(frozen=True)
class OptOut:
    """A number that is not called.

    Parameters:
        number: E.164.
        since: When that was said.
        call_id: The call it was said on; "" if it was put down by hand.
    """

    number: str
    since: datetime
    call_id: str


class OptedOutError(Exception):
    """Whom this number belongs to does not want to be called.

    Parameters:
        since: When they said so.
    """

    def __init__(self, since: datetime):
        super().__init__(f"opted out on {since:%Y-%m-%d}")
        self.since = since


class OptOuts:
    """The list of numbers that are not called."""

    def __init__(self, engine: AsyncEngine):
        """Use ``CallStore.opt_outs``; ``engine`` is of a database with the tables."""
        self._engine = engine
        self._writes = engine.execution_options(writes=True)

    async def all(self) -> list[OptOut]:
        """Everyone on the list, newest first."""
        query = select(opt_outs).order_by(opt_outs.c.since.desc(), opt_outs.c.number)
        async with self._engine.connect() as db:
            rows = (await db.execute(query)).all()
        return [OptOut(row.number, row.since, row.call_id) for row in rows]

    async def add(self, number: str) -> bool:
        """Put a number down; False if it stands there already."""
        async with self._writes.begin() as db:
            return await self.note(db, OptOut(number, datetime.now(UTC), ""))

    async def remove(self, number: str) -> bool:
        """Let a number be called again; False if it was not on the list."""
        async with self._writes.begin() as db:
            gone = await db.execute(delete(opt_outs).where(opt_outs.c.number == number))
        return gone.rowcount > 0

    async def note(self, db: AsyncConnection, opt_out: OptOut) -> bool:
        """Put a number down within a transaction; the first time it was said stays."""
        known = select(opt_outs.c.number).where(opt_outs.c.number == opt_out.number)
        if await db.scalar(known) is not None:
            return False
        await db.execute(insert(opt_outs).values(**vars(opt_out)))
        return True

    async def check(self, db: AsyncConnection, number: str) -> None:
        """Look a number up within a transaction.

        Raises:
            OptedOutError: It is on the list.
        """
        if since := await db.scalar(select(opt_outs.c.since).where(opt_outs.c.number == number)):
            raise OptedOutError(since)
