"""What the receptionist's tools tell, on the restaurant's real book."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from types import SimpleNamespace

import pytest
from pipecat.flows import NO_RESPONSE, TRANSITION_IN_YAML
from pipecat.flows.types import FlowsDirectFunctionWrapper

from flows import reservation
from flows.call_resources import CallResources
from flows.reservation_book import TABLES, Availability, Booking, ReservationBook
from flows.tool import tool

TUESDAY, SATURDAY, MONDAY = date(2026, 11, 24), date(2026, 11, 28), date(2026, 11, 23)
SEVEN = 19 * 60


@pytest.fixture
def book(tmp_path):
    return ReservationBook(tmp_path / "data" / "book.db")


@pytest.fixture
def flow_manager(tmp_path):
    """What a tool sees of its call; ``ended`` collects how it was ended."""
    ended: list[str] = []
    now = datetime(2026, 11, 21, 18, 0)
    resources = CallResources(tmp_path, "+15550123", "+15550100", lambda: now, ended.append)
    return SimpleNamespace(worker=SimpleNamespace(app_resources=resources), ended=ended)


async def answer(function, flow_manager, **arguments):
    result, after = await function(flow_manager, **arguments)
    assert after in (TRANSITION_IN_YAML, NO_RESPONSE)
    return result


def test_a_free_table_is_booked_once(book):
    first = book.book(TUESDAY, SEVEN, 4, "Ada Byron")
    assert isinstance(first, Booking) and first.reference.startswith("B-")
    assert book.book(TUESDAY, SEVEN, 4, "ada byron ") == first
    other = book.book(TUESDAY, SEVEN, 4, "Grace Hopper")
    assert isinstance(other, Booking) and other.reference != first.reference


def test_a_full_house_offers_the_nearest_times(book):
    found = book.availability(SATURDAY, 20 * 60, 2)
    assert found == Availability("full", ("18:30", "21:30", "18:00"))
    assert book.book(SATURDAY, 20 * 60, 2, "Ada") == found


def test_a_closed_day_and_a_late_hour_are_closed(book):
    assert book.availability(MONDAY, SEVEN, 2) == Availability("closed")
    late = book.availability(TUESDAY, 21 * 60 + 30, 2)
    assert late.status == "closed" and late.alternatives[0] == "20:30"


def test_a_table_is_free_again_after_ninety_minutes(book):
    for name in "abcdefghi":
        assert isinstance(book.book(TUESDAY, SEVEN, 2, name), Booking)
    assert book.availability(TUESDAY, SEVEN + 89, 2).status == "full"
    assert book.availability(TUESDAY, SEVEN + 90, 2).status == "free"


def test_a_cancelled_table_can_be_booked_by_the_next(book):
    made = book.book(TUESDAY, SEVEN, 8, "Ada")
    assert book.availability(TUESDAY, SEVEN, 8).status == "full"
    assert book.cancel(TUESDAY, "ADA") == made
    assert book.cancel(TUESDAY, "Ada") is None
    assert book.availability(TUESDAY, SEVEN, 8).status == "free"


def test_calls_at_the_same_time_never_share_a_table(tmp_path):
    path = tmp_path / "book.db"

    def call(caller: int):
        return ReservationBook(path).book(TUESDAY, SEVEN, 2, f"caller {caller}")

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(call, range(16)))
    assert sum(isinstance(m, Booking) for m in made) == len(TABLES)
    with sqlite3.connect(path) as db:
        tables = [row[0] for row in db.execute("SELECT seat_table FROM bookings")]
    db.close()
    assert sorted(tables) == list(range(len(TABLES)))


def test_the_standing_bookings_are_the_same_for_everyone(tmp_path):
    answers = {
        ReservationBook(tmp_path / name).availability(date(2026, 11, 27), SEVEN, 4)
        for name in ("one.db", "two.db")
    }
    assert answers == {Availability("free")}


async def test_the_receptionist_looks_then_books(flow_manager):
    asked = {"date": "2026-11-27", "time": "19:00", "party_size": 4}
    seen = await answer(reservation.check_availability, flow_manager, **asked)
    assert seen == {**asked, "status": "free", "alternatives": []}
    made = await answer(reservation.book_table, flow_manager, **asked, name="Ada")
    assert made["status"] == "booked" and made["reference"].startswith("B-")
    gone = await answer(reservation.cancel_table, flow_manager, name="Ada", date="2026-11-27")
    assert gone["status"] == "cancelled" and gone["time"] == "19:00"
    gone = await answer(reservation.cancel_table, flow_manager, name="Ada", date="2026-11-27")
    assert gone["status"] == "not_found"


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"date": "next week"}, "I did not understand the day."),
        ({"time": "evening"}, "I did not understand the time."),
        ({"date": "2026-11-20"}, "That day is in the past."),
        ({"party_size": 9}, "Our largest table seats 8 guests."),
        ({"party_size": 0}, "Our largest table seats 8 guests."),
    ],
)
async def test_what_cannot_be_booked_is_a_sentence(flow_manager, wrong, sentence):
    asked = {"date": "2026-11-27", "time": "19:00", "party_size": 2} | wrong
    for result in (
        await answer(reservation.check_availability, flow_manager, **asked),
        await answer(reservation.book_table, flow_manager, **asked, name="Ada"),
    ):
        assert result["status"] == "error" and result["say"] == sentence


@pytest.mark.parametrize(
    "day, date_, status",
    [
        ("today", "2026-11-21", "open"),
        ("Tomorrow", "2026-11-22", "open"),
        ("monday", "2026-11-23", "closed"),
        ("2026-11-24", "2026-11-24", "open"),
    ],
)
async def test_opening_hours_know_words_and_dates(flow_manager, day, date_, status):
    result = await answer(reservation.opening_hours, flow_manager, day=day)
    assert (result["date"], result["status"]) == (date_, status)


async def test_a_broken_book_is_a_sentence_and_not_a_traceback(flow_manager, tmp_path):
    (tmp_path / "blue_door.db").write_text("no database, but long enough to be read as one" * 20)
    asked = {"date": "2026-11-27", "time": "19:00", "party_size": 2}
    result = await answer(reservation.check_availability, flow_manager, **asked)
    assert result["say"] == "I cannot reach the reservation book right now."


async def test_ending_the_call_needs_no_answer_of_the_llm(flow_manager):
    result, after = await reservation.end_call(flow_manager)
    assert after is NO_RESPONSE and flow_manager.ended == ["completed"]


async def test_an_interrupted_booking_is_written_to_its_end(flow_manager):
    written, may_write = asyncio.Event(), asyncio.Event()

    @tool(failure="No.", writes=True)
    async def write(flow_manager):
        await may_write.wait()
        written.set()
        return {}

    calling = asyncio.ensure_future(write(flow_manager))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    may_write.set()
    async with asyncio.timeout(1):
        await written.wait()


def test_the_llm_is_told_what_each_argument_is():
    wrapper = FlowsDirectFunctionWrapper(reservation.book_table)
    assert wrapper.name == "book_table" and wrapper.cancel_on_interruption
    assert wrapper.properties["party_size"]["type"] == "integer"
    assert set(wrapper.required) == {"date", "time", "party_size", "name"}
