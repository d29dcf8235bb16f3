"""Writes a call's events: numbered, stamped and handed on."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from records.event import Event

EventT = TypeVar("EventT", bound=Event)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class EventLog:
    """Gives each event of one call its number and its times, and hands it to ``emit`` at once.

    The call process begins the log; when that process is gone, the server goes on from the last
    event it received (``EventLog.after``). Not thread-safe: a call has one writer.
    """

    def __init__(
        self,
        call_id: str,
        emit: Callable[[Event], None],
        *,
        now: Callable[[], float] = time.monotonic,
        first_seq: int = 1,
        utc_now: Callable[[], datetime] = _utc_now,
    ):
        """Begin the log; ``t`` counts from here.

        Args:
            call_id: The call's id.
            emit: Takes each event, in order; must not block.
            now: Seconds on a clock that never jumps.
            first_seq: The number of the next event.
            utc_now: The wall clock, with time zone.
        """
        self.call_id = call_id
        self._emit = emit
        self._now = now
        self._utc_now = utc_now
        self._zero = now()
        self._next_seq = first_seq

    @classmethod
    def after(
        cls,
        last: Event,
        emit: Callable[[Event], None],
        *,
        now: Callable[[], float] = time.monotonic,
        utc_now: Callable[[], datetime] = _utc_now,
    ) -> Self:
        """Go on behind ``last``, which another process wrote.

        The processes share the wall clock only, so ``t`` goes on by it, and never runs back.
        """
        log = cls(last.call_id, emit, now=now, first_seq=last.seq + 1, utc_now=utc_now)
        log._zero -= last.t + max(0.0, (utc_now() - last.at).total_seconds())
        return log

    def add(self, kind: type[EventT], **fields: Any) -> EventT:
        """Write one event now and return it.

        Args:
            kind: The event's class, e.g. ``TurnEnded``.
            **fields: What that class adds to call, number and times.

        Raises:
            pydantic.ValidationError: If ``fields`` are not those of ``kind``; no number is used up.
        """
        event = kind(
            call_id=self.call_id,
            seq=self._next_seq,
            at=self._utc_now(),
            t=round(self._now() - self._zero, 6),
            **fields,
        )
        self._next_seq += 1
        self._emit(event)
        return event
