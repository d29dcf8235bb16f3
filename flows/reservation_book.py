"""The restaurant's reservation book: tables, opening hours, bookings.

Plain SQLite, safe for calls in many processes at once. A booking holds one table for 90 minutes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date as Date
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

STAY_MINUTES = 90
GRID_MINUTES = 30
ALTERNATIVES = 3
BUSY_SECS = 5.0

TABLES = (2, 2, 2, 2, 4, 4, 4, 6, 8)
"""Seats of each table; its place in the list is its number."""

HOURS: dict[int, tuple[int, int] | None] = {
    0: None,  # Monday
    1: (17 * 60, 22 * 60),
    2: (17 * 60, 22 * 60),
    3: (17 * 60, 22 * 60),
    4: (17 * 60, 23 * 60),
    5: (17 * 60, 23 * 60),
    6: (12 * 60, 21 * 60),
}
"""Opening hours by weekday, in minutes after midnight; None is closed."""

REGULARS: dict[int, tuple[tuple[int, int], ...]] = {
    4: ((19 * 60, 4), (19 * 60, 5), (20 * 60, 0)),
    5: tuple((20 * 60, table) for table in range(len(TABLES))),
}
"""Standing bookings by weekday: start and table. Saturday at eight is always full."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bookings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL, start INTEGER NOT NULL, seat_table INTEGER NOT NULL,
    party_size INTEGER NOT NULL, name TEXT NOT NULL, cancelled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS bookings_by_day ON bookings (day);
CREATE TABLE IF NOT EXISTS seeded_days (day TEXT PRIMARY KEY);
"""


@dataclass(frozen=True)
class Availability:
    """Whether a table is free, and when else one is.

    Parameters:
        status: ``free``, ``full``, or ``closed`` when the house is not open then.
        alternatives: Nearest free times of the day, ``HH:MM``, nearest first.
    """

    status: Literal["free", "full", "closed"]
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Booking:
    """One booked table.

    Parameters:
        reference: ``B-`` and a number, to be read out.
        day: The day.
        start: Minutes after midnight.
        party_size: Guests.
        name: Who booked, as first given.
    """

    reference: str
    day: Date
    start: int
    party_size: int
    name: str


class ReservationBook:
    """Answers and writes for one restaurant; every method is one transaction and blocks shortly."""

    def __init__(self, path: Path):
        """Open the book, with its standing bookings; the file is made when it is missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._writing() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    def availability(self, day: Date, start: int, party_size: int) -> Availability:
        """Look whether a table is free at ``start``, minutes after midnight."""
        with self._writing(day) as db:
            return _availability(db, day, start, party_size)

    def book(self, day: Date, start: int, party_size: int, name: str) -> Booking | Availability:
        """Book a table, once: the same booking asked for again is the one there is.

        Returns:
            The booking, or why there is none.
        """
        with self._writing(day) as db:
            if booked := _find(db, day, name, start, party_size):
                return booked
            if not _is_open(day, start):
                return _availability(db, day, start, party_size)
            table = _free_table(_taken(db, day), start, party_size)
            if table is None:
                return _availability(db, day, start, party_size)
            cursor = db.execute(
                "INSERT INTO bookings (day, start, seat_table, party_size, name)"
                " VALUES (?, ?, ?, ?, ?)",
                (day.isoformat(), start, table, party_size, name.strip()),
            )
            return Booking(_reference(cursor.lastrowid or 0), day, start, party_size, name.strip())

    def cancel(self, day: Date, name: str) -> Booking | None:
        """Cancel the booking of ``name`` on a day; None if there is none."""
        with self._writing(day) as db:
            booked = _find(db, day, name)
            if booked:
                number = int(booked.reference.removeprefix("B-")) - 1000
                db.execute("UPDATE bookings SET cancelled = 1 WHERE id = ?", (number,))
            return booked

    @contextmanager
    def _writing(self, day: Date | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start."""
        with closing(sqlite3.connect(self._path, BUSY_SECS, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                if day:
                    _seed(db, day)
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")


def opening_hours(day: Date) -> tuple[str, str] | None:
    """When the house opens and closes on a day, ``HH:MM``; None if it stays closed."""
    hours = HOURS[day.weekday()]
    return (clock(hours[0]), clock(hours[1])) if hours else None


def clock(minutes: int) -> str:
    """Minutes after midnight as ``HH:MM``."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def minutes_of(time: str) -> int:
    """``HH:MM`` as minutes after midnight.

    Raises:
        ValueError: If it is no time of day.
    """
    parsed = datetime.strptime(time.strip(), "%H:%M")
    return parsed.hour * 60 + parsed.minute


def next_day_named(name: str, today: Date) -> Date | None:
    """The next day of this English weekday's name, today included; None for any other word."""
    days = (today + timedelta(days=n) for n in range(7))
    return next((d for d in days if d.strftime("%A").lower() == name.strip().lower()), None)


def _is_open(day: Date, start: int) -> bool:
    hours = HOURS[day.weekday()]
    return bool(hours) and hours[0] <= start <= hours[1] - STAY_MINUTES


def _availability(db: sqlite3.Connection, day: Date, start: int, party_size: int) -> Availability:
    hours = HOURS[day.weekday()]
    if hours is None:
        return Availability("closed")
    taken = _taken(db, day)
    is_open = _is_open(day, start)
    if is_open and _free_table(taken, start, party_size) is not None:
        return Availability("free")
    grid = range(hours[0], hours[1] - STAY_MINUTES + 1, GRID_MINUTES)
    free = [m for m in grid if _free_table(taken, m, party_size) is not None]
    nearest = sorted(free, key=lambda m: (abs(m - start), m))[:ALTERNATIVES]
    return Availability("full" if is_open else "closed", tuple(clock(m) for m in nearest))


def _taken(db: sqlite3.Connection, day: Date) -> list[tuple[int, int]]:
    query = "SELECT seat_table, start FROM bookings WHERE day = ? AND cancelled = 0"
    return db.execute(query, (day.isoformat(),)).fetchall()


def _free_table(taken: list[tuple[int, int]], start: int, party_size: int) -> int | None:
    """The smallest table that fits and is free from ``start`` on."""
    busy = {table for table, begin in taken if abs(begin - start) < STAY_MINUTES}
    fitting = [n for n, seats in enumerate(TABLES) if seats >= party_size and n not in busy]
    return min(fitting, key=lambda n: (TABLES[n], n), default=None)


def _find(
    db: sqlite3.Connection,
    day: Date,
    name: str,
    start: int | None = None,
    party_size: int | None = None,
) -> Booking | None:
    query = (
        "SELECT id, start, party_size, name FROM bookings WHERE day = ? AND cancelled = 0"
        " AND lower(name) = lower(?) AND start = coalesce(?, start)"
        " AND party_size = coalesce(?, party_size) ORDER BY id"
    )
    row = db.execute(query, (day.isoformat(), name.strip(), start, party_size)).fetchone()
    return Booking(_reference(row[0]), day, row[1], row[2], row[3]) if row else None


def _reference(number: int) -> str:
    return f"B-{1000 + number}"


def _seed(db: sqlite3.Connection, day: Date) -> None:
    cursor = db.execute("INSERT OR IGNORE INTO seeded_days VALUES (?)", (day.isoformat(),))
    if cursor.rowcount:
        db.executemany(
            "INSERT INTO bookings (day, start, seat_table, party_size, name)"
            " VALUES (?, ?, ?, ?, 'A regular')",
            [
                (day.isoformat(), start, table, TABLES[table])
                for start, table in REGULARS.get(day.weekday(), ())
            ],
        )
