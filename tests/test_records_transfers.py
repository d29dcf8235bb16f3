"""Transfers, messages and promised calls in the record, from their events."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from records.call_record import CallRecord
from records.event import Event
from records.events import CallEnded, CallStarted
from records.log import EventLog
from records.redaction import redacted
from records.transfer_events import (
    CallbackBooked,
    CallBridged,
    DeskAnswered,
    DeskDialled,
    DeskFailed,
    MessageTaken,
    TransferEnded,
    TransferStarted,
)

ONE, TWO = "+15550180", "+15550181"


@pytest.fixture
def story() -> tuple[list[Event], Callable[..., Any]]:
    events: list[Event] = []
    log = EventLog("c1", events.append)
    log.add(CallStarted, room="room")
    log.add(TransferStarted, desk="front_desk", mode="warm", reason="a lost umbrella")
    log.add(DeskDialled, number=ONE)
    return events, log.add


def test_every_number_has_its_own_end(story):
    events, add = story
    add(DeskFailed, outcome="busy", sip_code=486, sip_status="Busy Here")
    add(DeskDialled, number=TWO)
    add(DeskAnswered)
    add(CallBridged)
    add(TransferEnded, outcome="answered", sip_code=200)
    (transfer,) = CallRecord.fold(events).transfers
    assert (transfer.desk, transfer.outcome, transfer.called_back) == (
        "front_desk",
        "answered",
        False,
    )
    first, second = transfer.attempts
    assert (first.number, first.outcome, first.sip_code) == (ONE, "busy", 486)
    assert (second.number, second.outcome, second.sip_code) == (TWO, "answered", 200)
    assert first.answered_secs is None and second.answered_secs is not None
    assert transfer.bridged_secs and transfer.ended_secs
    assert transfer.at_secs <= second.answered_secs <= transfer.bridged_secs <= transfer.ended_secs


def test_the_record_of_a_transfer_under_way_has_no_outcome(story):
    events, _ = story
    (transfer,) = CallRecord.fold(events).transfers
    assert transfer.outcome is None and transfer.ended_secs is None
    assert transfer.attempts[0].outcome is None


def test_a_call_that_ends_in_the_middle_of_a_transfer_ends_the_transfer(story):
    events, add = story
    add(CallEnded, outcome="worker_lost")
    (transfer,) = CallRecord.fold(events).transfers
    assert transfer.outcome == "failed" and transfer.ended_secs is not None


def test_a_second_transfer_begins_a_second_entry(story):
    events, add = story
    add(TransferEnded, outcome="no_answer", sip_code=480)
    add(TransferStarted, desk="kitchen", mode="cold")
    add(DeskDialled, number="sip:kitchen@pbx")
    add(TransferEnded, outcome="unknown")
    first, second = CallRecord.fold(events).transfers
    assert (first.outcome, first.attempts[0].sip_code) == ("no_answer", 480)
    assert (second.mode, second.outcome, len(second.attempts)) == ("cold", "unknown", 1)


def test_words_and_numbers_are_private(story):
    events, add = story
    add(MessageTaken, text="Call my sister Ada", name="Grace", number="+15550123")
    add(CallbackBooked, number="+15550123", when="tomorrow", topic="the sister")
    record = CallRecord.fold(events)
    assert record.messages[0].name == "Grace" and record.callbacks[0].when == "tomorrow"
    shown = json.dumps(redacted(record).model_dump(mode="json"))
    for word in ("umbrella", "sister", "Grace", ONE, "+15550123"):
        assert word not in shown
    assert "tomorrow" in shown and "+1555" not in shown.replace("+1•••", "")


def test_what_happens_outside_a_transfer_is_passed_over():
    events: list[Event] = []
    log = EventLog("c1", events.append)
    for kind in (DeskAnswered, CallBridged):
        log.add(kind)
    log.add(DeskFailed, outcome="busy")
    assert CallRecord.fold(events).transfers == []
