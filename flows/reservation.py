"""The receptionist's tools: look, book, cancel, opening hours, goodbye."""

import asyncio
from collections.abc import Mapping
from datetime import date as Date
from typing import Any

from pipecat.flows import NO_RESPONSE, FlowManager

from flows import reservation_book
from flows.call_resources import call_resources
from flows.reservation_book import (
    TABLES,
    Availability,
    Booking,
    ReservationBook,
    clock,
    minutes_of,
    next_day_named,
)
from flows.tool import tool

NO_BOOK = "I cannot reach the reservation book right now."
NOT_BOOKED = "I could not write that into the reservation book."

Result = Mapping[str, Any]


@tool(failure=NO_BOOK)
async def check_availability(
    flow_manager: FlowManager, date: str, time: str, party_size: int
) -> Result:
    """Look whether a table is free. Ask before booking.

    Args:
        flow_manager: The conversation.
        date: ISO date, such as 2026-11-27.
        time: Start, 24 hours, HH:MM.
        party_size: Number of guests.
    """
    asked = _Asked(flow_manager, date, time, party_size)
    if asked.problem:
        return asked.refusal
    found = await asyncio.to_thread(_look, flow_manager, asked)
    return {**asked.facts, "status": found.status, "alternatives": list(found.alternatives)}


@tool(failure=NOT_BOOKED, writes=True)
async def book_table(
    flow_manager: FlowManager, date: str, time: str, party_size: int, name: str
) -> Result:
    """Book a table, after the caller has agreed to day, time and number of guests.

    Args:
        flow_manager: The conversation.
        date: ISO date, such as 2026-11-27.
        time: Start, 24 hours, HH:MM.
        party_size: Number of guests.
        name: Name for the booking.
    """
    asked = _Asked(flow_manager, date, time, party_size)
    if asked.problem:
        return asked.refusal
    if not name.strip():
        return {**asked.facts, "status": "error", "say": "I need a name for the booking."}
    made = await asyncio.to_thread(_book, flow_manager, asked, name)
    if isinstance(made, Availability):
        return {**asked.facts, "status": made.status, "alternatives": list(made.alternatives)}
    return {**asked.facts, "status": "booked", "reference": made.reference, "name": made.name}


@tool(failure=NO_BOOK, writes=True)
async def cancel_table(flow_manager: FlowManager, name: str, date: str) -> Result:
    """Cancel a booking.

    Args:
        flow_manager: The conversation.
        name: Name of the booking.
        date: ISO date of the booking.
    """
    day = _day(date)
    if day is None:
        return {"status": "error", "say": "I did not understand the day."}
    booking = await asyncio.to_thread(lambda: _book_of(flow_manager).cancel(day, name))
    if booking is None:
        return {"status": "not_found", "date": date, "name": name}
    return {
        "status": "cancelled",
        "date": date,
        "time": clock(booking.start),
        "name": booking.name,
        "reference": booking.reference,
    }


@tool(failure="I cannot look up our opening hours right now.")
async def opening_hours(flow_manager: FlowManager, day: str) -> Result:
    """Tell when the restaurant is open.

    Args:
        flow_manager: The conversation.
        day: ISO date, a weekday's English name, "today" or "tomorrow".
    """
    today = call_resources(flow_manager).now().date()
    words = {"today": today, "tomorrow": Date.fromordinal(today.toordinal() + 1)}
    date = words.get(day.strip().lower()) or next_day_named(day, today) or _day(day)
    if date is None:
        return {"status": "error", "say": "I did not understand the day."}
    facts = {"date": date.isoformat(), "day": date.strftime("%A")}
    hours = reservation_book.opening_hours(date)
    if hours is None:
        return {**facts, "status": "closed"}
    return {**facts, "status": "open", "opens": hours[0], "closes": hours[1]}


@tool(failure="Goodbye.")
async def end_call(flow_manager: FlowManager) -> Any:
    """End the call. Call it when the caller says goodbye or needs nothing more."""
    call_resources(flow_manager).end("completed")
    return {"status": "ending"}, NO_RESPONSE


class _Asked:
    """Day, time and party of a question, checked."""

    def __init__(self, flow_manager: FlowManager, date: str, time: str, party_size: int):
        self.facts: dict[str, Any] = {"date": date, "time": time, "party_size": party_size}
        self.day = _day(date) or Date.min
        self.party_size = party_size
        try:
            self.start = minutes_of(time)
        except ValueError:
            self.start = -1
        self.problem = self._find_problem(call_resources(flow_manager).now().date())

    @property
    def refusal(self) -> Result:
        """What the LLM is told."""
        return {**self.facts, "status": "error", "say": self.problem}

    def _find_problem(self, today: Date) -> str:
        if self.day == Date.min:
            return "I did not understand the day."
        if self.start < 0:
            return "I did not understand the time."
        if self.day < today:
            return "That day is in the past."
        if not 1 <= self.party_size <= max(TABLES):
            return f"Our largest table seats {max(TABLES)} guests."
        return ""


def _day(date: str) -> Date | None:
    try:
        return Date.fromisoformat(date.strip())
    except ValueError:
        return None


def _book_of(flow_manager: FlowManager) -> ReservationBook:
    return ReservationBook(call_resources(flow_manager).data_dir / "blue_door.db")


def _look(flow_manager: FlowManager, asked: _Asked) -> Availability:
    return _book_of(flow_manager).availability(asked.day, asked.start, asked.party_size)


def _book(flow_manager: FlowManager, asked: _Asked, name: str) -> Booking | Availability:
    return _book_of(flow_manager).book(asked.day, asked.start, asked.party_size, name)
