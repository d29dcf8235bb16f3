"""Handing over without sound: every end of a transfer, what is said, noted and cleaned up."""

import asyncio
from typing import Any

import pytest

from bots.desks import Desk
from bots.ending import Ending
from tests.fakes_desk import ANSWERED, FakeCall
from tests.fakes_room import until
from transports.leg import LegResult
from transports.line_error import LineError
from transports.transfer_steps import Asked, Broke, Heard

ONE, TWO = "+15550180", "+15550181"


def desk(name: str = "front_desk", *numbers: str, **keys: Any) -> Desk:
    numbers = numbers or (ONE,)
    return Desk.model_validate({"name": name, "title": "the desk", "numbers": numbers, **keys})


COLD: dict[str, Any] = {"mode": "cold"}
NEVER_OPEN: dict[str, Any] = {"hours": {"zone": "UTC", "open": {}}}


async def test_both_talk_until_the_person_hangs_up():
    call = FakeCall(desk(), results=[ANSWERED], answers=[Heard("accept")])
    report = await call.handover.transfer("", "wants a person")
    assert (report.status, report.spoken) == ("connected", True)
    await until(lambda: "join" in call.hold.done)
    assert call.handover.talking and call.talk.rests
    call.talk.leaves()
    await call.over()
    assert call.gate.ending and call.gate.ending.outcome == "transferred"
    assert call.talk.done == ["prepare wants a person", f"dial {ONE}", "brief", "close"]
    assert call.hold.done[-2:] == ["part", "release"]
    (transfer,) = call.record.transfers
    assert transfer.outcome == "answered" and transfer.bridged_secs is not None
    assert not call.handover.talking


async def test_a_caller_who_hangs_up_after_the_talk_was_transferred():
    call = FakeCall(desk(), results=[ANSWERED], answers=[Heard("accept")])
    await call.handover.transfer("", "")
    call.gate.close(Ending("caller_hung_up", "caller:CLIENT_INITIATED"))
    await call.handover.close()
    assert call.gate.ending and call.gate.ending.outcome == "transferred"
    assert call.talk.done[-2:] == ["hang up", "close"]


async def test_the_star_of_either_phone_calls_the_bot_back():
    call = FakeCall(desk(), results=[ANSWERED], answers=[Heard("accept")])
    await call.handover.transfer("", "")
    await call.keypad.press("*")
    await call.over()
    assert call.speaker.said[-1] == "I am back. What can I do for you?"
    assert call.gate.ending is None and call.gate.achieved is None
    assert call.talk.done[-2:] == ["hang up", "close"] and call.hold.done[-1] == "release"
    assert call.record.transfers[0].called_back


@pytest.mark.parametrize(
    "results, answers, status, excuse",
    [
        ([LegResult("busy", 486, "Busy Here")], [], "busy", "busy"),
        ([LegResult("no_answer", 480)], [], "no_answer", "nobody is answering"),
        ([LegResult("declined", 603)], [], "declined", "nobody can take your call"),
        ([LegResult("invalid_number", 404)], [], "refused", "cannot connect"),
        ([LegResult("trunk_failure", 503)], [], "failed", "cannot connect"),
        ([LineError("no_trunk", "no trunk")], [], "failed", "cannot connect"),
        ([ANSWERED], [Heard("decline")], "declined", "nobody can take your call"),
        ([ANSWERED], [Heard("machine")], "voicemail", "nobody is answering"),
        ([ANSWERED], [Broke("no voice")], "failed", "cannot connect"),
    ],
)
async def test_a_caller_whom_nobody_takes_is_told_so_and_offered_what_there_is(
    results, answers, status, excuse
):
    call = FakeCall(desk(), results=results, answers=answers)
    report = await call.handover.transfer("", "")
    await call.over()
    assert report.status == status
    assert excuse in call.speaker.said[-1]
    assert "leave a message" in call.speaker.said[-1]
    assert call.hold.done[-1] == "release" and call.talk.done[-1] == "close"
    assert call.record.transfers[0].outcome == status
    assert call.gate.ending is None


async def test_silence_at_the_other_end_counts_as_no_answer():
    call = FakeCall(desk(), results=[ANSWERED], answers=[Asked(), Asked()])
    waiting = asyncio.create_task(call.handover.transfer("", ""))
    await until(lambda: "brief" in call.talk.done)
    call.secs = 8.0
    call.talk.tell(Asked())  # late, and without a meaning now: it wakes the loop
    await until(lambda: "ask again" in call.talk.done)
    call.secs = 16.0
    call.talk.tell(Asked())
    assert (await waiting).status == "no_answer"
    assert "hang up" in call.talk.done
    await call.over()


async def test_the_second_number_is_tried_and_both_are_in_the_record():
    results = [LegResult("busy", 486, "Busy Here"), ANSWERED]
    call = FakeCall(desk("front_desk", ONE, TWO), results=results, answers=[Heard("accept")])
    assert (await call.handover.transfer("", "")).status == "connected"
    call.talk.leaves()
    await call.over()
    attempts = call.record.transfers[0].attempts
    assert [(a.number, a.outcome, a.sip_code) for a in attempts] == [
        (ONE, "busy", 486),
        (TWO, "answered", 200),
    ]
    assert attempts[1].answered_secs is not None


async def test_a_caller_who_hangs_up_while_it_rings_stops_the_ringing():
    call = FakeCall(desk())
    waiting = asyncio.create_task(call.handover.transfer("", ""))
    await until(lambda: f"dial {ONE}" in call.talk.done)
    call.gate.close(Ending("caller_hung_up"))
    await call.handover.close()
    assert "cancelled" in call.talk.done
    assert (await waiting).status == "caller_gone"
    assert call.gate.ending and call.gate.ending.outcome == "caller_hung_up"
    assert call.record.transfers[0].outcome == "caller_gone"


async def test_zero_works_once_and_means_nothing_while_it_rings():
    call = FakeCall(desk())
    pressed = asyncio.create_task(call.keypad.press("0"))
    await until(lambda: f"dial {ONE}" in call.talk.done)
    await call.keypad.press("0")
    assert call.talk.done.count(f"dial {ONE}") == 1
    call.gate.close(Ending("caller_hung_up"))
    await call.handover.close()
    await pressed


async def test_a_closed_desk_answers_with_its_own_sentence():
    call = FakeCall(desk(**NEVER_OPEN, after_hours={"say": "We open at nine."}))
    report = await call.handover.transfer("", "")
    assert (report.status, report.spoken) == ("closed", True)
    assert call.speaker.said == ["We open at nine. Would you like to leave a message?"]
    assert not call.events


async def test_a_desk_that_is_open_is_offered_when_the_first_does_not_answer():
    call = FakeCall(desk(), desk("kitchen"), results=[LegResult("busy", 486)])
    await call.handover.transfer("", "")
    assert "I can also try the desk." in call.speaker.said[-1]
    await call.over()


async def test_a_bot_without_desks_says_that_it_cannot():
    call = FakeCall()
    report = await call.handover.transfer("", "")
    assert (report.status, report.spoken) == ("impossible", False)


async def test_a_cold_transfer_refers_the_phone_after_the_sentence():
    cold = desk("far", "sip:desk@pbx", TWO, **COLD)
    call = FakeCall(cold, refers=[LegResult("busy", 486, "Busy Here"), LegResult("answered")])
    waiting = asyncio.create_task(call.handover.transfer("", ""))
    await until(lambda: call.gate.ending)
    await call.handover.close()
    assert call.hold.done[0] == "announce" and "music" not in call.hold.done
    headers = {"X-Switchboard-Call-Id": "c1"}
    assert call.control.referred == [("sip:desk@pbx", headers), (f"tel:{TWO}", headers)]
    assert call.gate.ending and call.gate.ending.outcome == "transferred"
    assert [a.outcome for a in call.record.transfers[0].attempts] == ["busy", "answered"]
    await waiting


@pytest.mark.parametrize(
    "leg, outcome, words",
    [
        (LegResult("declined", 603), "declined", "nobody can take"),
        (LegResult("unknown"), "unknown", "cannot tell whether"),
    ],
)
async def test_a_cold_transfer_that_failed_is_told_apart_from_an_unknown_one(leg, outcome, words):
    call = FakeCall(desk("far", "sip:desk@pbx", **COLD), refers=[leg])
    assert (await call.handover.transfer("", "")).status == outcome
    assert words in call.speaker.said[-1] and call.gate.ending is None
    await call.over()


async def test_a_browser_is_never_referred():
    cold = desk("far", "sip:desk@pbx", TWO, **COLD)
    call = FakeCall(cold, results=[ANSWERED], answers=[Heard("accept")], can_refer=False)
    assert (await call.handover.transfer("", "")).status == "connected"
    assert call.talk.done[1] == f"dial {TWO}" and not call.control.referred
    call.talk.leaves()
    await call.over()


async def test_what_the_call_came_to_before_stays_when_the_bot_is_called_back():
    call = FakeCall(desk(), results=[ANSWERED], answers=[Heard("accept")])
    call.gate.achieved = "message_taken"
    await call.handover.transfer("", "")
    assert call.gate.achieved == "transferred"
    await call.keypad.press("*")
    await call.over()
    assert call.gate.achieved == "message_taken"


async def test_a_call_that_dies_in_the_middle_leaves_a_record_with_an_end():
    call = FakeCall(desk())
    waiting = asyncio.create_task(call.handover.transfer("", ""))
    await until(lambda: f"dial {ONE}" in call.talk.done)
    assert call.handover._running
    call.handover._running.cancel()
    await call.over()
    assert (await waiting).status == "caller_gone"
    assert "cancelled" in call.talk.done and call.talk.done[-1] == "close"
    assert call.record.transfers[0].outcome == "failed"
