"""Opens the database that a URL names: SQLite or Postgres."""

from pathlib import Path
from typing import Any

from sqlalchemy import URL, AsyncAdaptedQueuePool, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

BUSY_SECS = 15
_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "postgres": "asyncpg"}


class StoreError(Exception):
    """The store of calls cannot do what was asked.

    Parameters:
        code: ``bad_url``, ``driver_missing``, ``cannot_open``, ``newer_schema``, ``unknown_call``.
        remedy: What to do about it.
        retryable: Whether the same may work later.
    """

    def __init__(self, code: str, message: str, remedy: str, *, retryable: bool = False):
        super().__init__(f"{message}; {remedy}")
        self.code = code
        self.remedy = remedy
        self.retryable = retryable


def database_url(url: str) -> URL:
    """Read a database URL and choose the driver.

    Raises:
        StoreError: If it is no URL, or names another database.
    """
    remedy = "use sqlite:///PATH or postgresql://USER@HOST/NAME"
    try:
        parsed = make_url(url)
    except ArgumentError as e:
        # The message leaves the URL out: it may hold a password.
        raise StoreError("bad_url", "the database URL cannot be read", remedy) from e
    backend = parsed.get_backend_name()
    if backend not in _DRIVERS:
        raise StoreError("bad_url", f"{backend!r} is not one of sqlite, postgresql", remedy)
    backend = "sqlite" if backend == "sqlite" else "postgresql"
    return parsed.set(drivername=f"{backend}+{_DRIVERS[backend]}")


def create_engine(url: URL) -> AsyncEngine:
    """Make the engine; nothing connects yet.

    With the execution option ``writes`` a transaction on SQLite takes the write lock at its begin,
    so that two writers wait for each other and neither fails half way.

    Raises:
        StoreError: If the driver is missing or the folder of an SQLite file cannot be made.
    """
    if url.get_backend_name() != "sqlite":
        try:
            return create_async_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as e:
            raise StoreError(
                "driver_missing",
                f"no driver for Postgres ({e.name})",
                "install it: pip install 'switchboard[postgres]'",
            ) from e
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        _make_folder(Path(url.database or ""))
    # In memory each connection is a database of its own, so there may be only one.
    size = {"pool_size": 1, "max_overflow": 0} if in_memory else {}
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, connect_args={"timeout": BUSY_SECS}, **size
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(
            "cannot_open", f"{path.parent}: {e.strerror}", "give a folder that can be written"
        ) from e


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver itself would begin too late for DDL; ``_begin_sqlite`` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
