from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from records.events import EVENT, Answered, CallEnded, ErrorRaised, TurnEnded
from records.log import EventLog
from tests.fakes_records import NOON, booking


def test_events_are_numbered_from_one_and_timed_from_the_start_of_the_call():
    clock = iter([100.0, 100.25, 101.5])
    events = []
    log = EventLog("c1", events.append, now=lambda: next(clock))
    log.add(Answered)
    log.add(TurnEnded, turn=1, text="Hello.")
    assert [(e.call_id, e.seq, e.t) for e in events] == [("c1", 1, 0.25), ("c1", 2, 1.5)]
    assert events[0].at.tzinfo is UTC
    assert abs(datetime.now(UTC) - events[0].at) < timedelta(seconds=5)


def test_a_wrong_field_uses_up_no_number():
    events = []
    log = EventLog("c1", events.append)
    with pytest.raises(ValidationError):
        log.add(TurnEnded, turn=1)
    log.add(Answered)
    assert [e.seq for e in events] == [1]


def test_server_goes_on_where_a_killed_call_process_stopped():
    child, parent = [], []
    log = EventLog("c1", child.append, now=iter([10.0, 14.0]).__next__, utc_now=lambda: NOON)
    log.add(Answered)
    later = NOON + timedelta(seconds=2)
    log = EventLog.after(
        child[-1], parent.append, now=iter([900.0, 900.5]).__next__, utc_now=lambda: later
    )
    log.add(CallEnded, outcome="worker_lost")
    assert (parent[0].seq, parent[0].t) == (2, 6.5)


def test_time_does_not_run_back_when_the_wall_clock_was_set_back():
    last = Answered(call_id="c1", seq=7, at=NOON, t=3.0)
    events = []
    log = EventLog.after(
        last, events.append, now=lambda: 0.0, utc_now=lambda: NOON - timedelta(hours=1)
    )
    log.add(ErrorRaised, source="pool", message="process gone")
    assert (events[0].seq, events[0].t) == (8, 3.0)


def test_every_event_survives_its_line():
    for event in booking():
        line = event.model_dump_json()
        assert "\n" not in line
        assert EVENT.validate_json(line) == event
