import random
import time
from datetime import timedelta

import pytest

from records.call_record import CallRecord
from records.events import (
    EVENT,
    BotSpoke,
    BotStartedSpeaking,
    CallEnded,
    CallStarted,
    RecordingStarted,
    TapeMeasured,
    ToolReturned,
    Transcribed,
    TurnEnded,
    TurnMeasured,
)
from tests.fakes_records import NOON, FakeCall, booking, latency, tape


def test_record_tells_who_called_whom_and_how_it_ended():
    record = CallRecord.fold(booking())
    assert (record.caller, record.dialled, record.bot) == (
        "+15557777001",
        "+15550100",
        "receptionist",
    )
    assert (record.outcome, record.reason) == ("caller_hung_up", "caller:CLIENT_INITIATED")
    assert record.started_at == NOON
    assert record.answered_at == NOON + timedelta(seconds=0.5)
    assert (record.duration_secs, record.talk_secs) == (10.5, 10.0)
    assert (record.keys, record.interruptions) == ("12#", 1)
    assert [e.source for e in record.errors] == ["DeepgramSTTService"]
    assert record.recording == "memory://recordings/call-1.wav"


def test_record_holds_the_conversation_in_order():
    record = CallRecord.fold(booking())
    assert [(t.number, t.caller_text, t.bot_text, t.interrupted) for t in record.turns] == [
        (0, "", "Blue Door, good evening.", False),
        (1, "A table for two.", "At eight or at", True),
        (2, "Eight.", "Eight it is.", False),
    ]
    assert record.unfinished_text == "Oh, and"


def test_tool_belongs_to_the_turn_it_was_called_in():
    record = CallRecord.fold(booking())
    assert [t.tools for t in record.turns] == [[], ["find_table"], []]
    (tool,) = record.tools
    assert (tool.turn, tool.arguments, tool.secs, tool.error) == (1, {"people": 2}, 0.2, None)


def test_latency_is_shown_traced_and_heard():
    record = CallRecord.fold(booking())
    assert [t.traced_secs for t in record.turns] == [None, 0.75, 0.95]
    assert [t.heard_secs for t in record.turns] == [None, 0.85, 0.85]
    assert record.latency_traced and record.latency_heard
    assert (record.latency_traced.p50, record.latency_traced.p95) == (0.85, 0.94)
    assert (record.latency_heard.count, record.latency_heard.p99) == (2, 0.85)


def test_a_running_call_has_no_outcome():
    record = CallRecord.fold(e for e in booking() if e.t < 5)
    assert (record.outcome, record.ended_at, record.duration_secs) == (None, None, None)


def test_a_call_that_was_never_answered_has_no_talk():
    call = FakeCall()
    call.at(0, CallStarted, room="r")
    call.at(3, CallEnded, outcome="rejected")
    record = CallRecord.fold(call.events)
    assert (record.answered_at, record.duration_secs, record.talk_secs) == (None, 3.0, 0.0)


def test_the_first_reason_for_the_end_is_the_reason():
    call = FakeCall()
    call.at(0, CallStarted, room="r")
    call.at(3, CallEnded, outcome="caller_hung_up")
    call.at(9, CallEnded, outcome="worker_lost")
    record = CallRecord.fold(call.events)
    assert (record.outcome, record.duration_secs) == ("caller_hung_up", 3.0)


def test_same_events_give_the_same_record_in_any_order_and_repeated():
    events = booking()
    shuffled = events + events[3:9]
    random.Random(4).shuffle(shuffled)
    assert CallRecord.fold(shuffled) == CallRecord.fold(events)
    lines = [e.model_dump_json() for e in events]
    assert CallRecord.fold(map(EVENT.validate_json, lines)) == CallRecord.fold(events)


def test_record_survives_its_json():
    record = CallRecord.fold(booking())
    assert CallRecord.model_validate_json(record.model_dump_json()) == record


def test_a_call_cut_at_any_event_has_a_record():
    events = booking()
    for cut in range(1, len(events) + 1):
        record = CallRecord.fold(events[:cut])
        assert (record.call_id, record.last_seq) == ("call-1", cut)


@pytest.mark.parametrize("seed", range(20))
def test_a_call_that_lost_any_events_has_a_record(seed):
    rng = random.Random(seed)
    events = booking()
    for _ in range(20):
        left = rng.sample(events, rng.randint(1, len(events)))
        record = CallRecord.fold(left)
        assert record.last_seq == max(e.seq for e in left)
        assert (record.outcome is None) == (not any(isinstance(e, CallEnded) for e in left))
        assert CallRecord.model_validate_json(record.model_dump_json()) == record


def random_call(rng: random.Random, length: int) -> FakeCall:
    """Events of every kind in an order that no call would give."""
    samples = {type(e): e for e in booking()}
    call = FakeCall()
    for _ in range(length):
        sample = samples[rng.choice(list(samples))]
        fields = sample.model_dump(exclude={"call_id", "seq", "at", "t", "type"})
        if "turn" in fields:
            fields["turn"] = rng.randrange(4)
        if "tool_call_id" in fields:
            fields["tool_call_id"] = rng.choice("abc")
        if "report" in fields:
            times = sorted(rng.uniform(0, 60) for _ in range(2 * rng.randrange(6)))
            pairs = zip(times[::2], times[1::2], strict=True)
            fields["report"] = rng.choice([tape(*pairs), {}, {"bot_spans": []}])
        call.at(call.t + rng.expovariate(1), type(sample), **fields)
    return call


@pytest.mark.parametrize("seed", range(30))
def test_any_events_in_any_order_cut_anywhere_have_a_record(seed):
    rng = random.Random(seed)
    events = random_call(rng, 60).events
    for cut in rng.sample(range(1, len(events) + 1), 12):
        record = CallRecord.fold(events[:cut])
        assert record == CallRecord.fold(list(reversed(events[:cut])))
        assert CallRecord.model_validate_json(record.model_dump_json()) == record
        measured = {e.turn for e in events[:cut] if isinstance(e, TurnMeasured)}
        assert {t.number for t in record.turns if t.latency} == measured
        assert [t.at_secs for t in record.turns] == sorted(t.at_secs for t in record.turns)


def test_no_events_are_no_call():
    with pytest.raises(ValueError, match="without events"):
        CallRecord.fold([])


def test_events_of_two_calls_are_refused():
    with pytest.raises(ValueError, match="call-2"):
        CallRecord.fold([*booking()[:3], *booking("call-2")[3:5]])


def test_bot_words_for_a_turn_of_unknown_end_are_kept():
    call = FakeCall()
    call.at(1, BotSpoke, turn=3, text="Yes,", interrupted=False)
    call.at(2, BotSpoke, turn=3, text="we do.", interrupted=True)
    call.at(3, ToolReturned, tool_call_id="x", name="late", secs=1.0, error="timed out")
    record = CallRecord.fold(call.events)
    assert [(t.number, t.bot_text, t.interrupted) for t in record.turns] == [
        (3, "Yes, we do.", True)
    ]
    assert (record.tools[0].turn, record.tools[0].error) == (3, "timed out")


def answered_turns(*began: float) -> FakeCall:
    call = FakeCall()
    call.at(0.2, BotStartedSpeaking)
    for number, t in enumerate(began, 1):
        call.at(t - 0.5, TurnEnded, turn=number, text="Yes.")
        call.at(t, TurnMeasured, turn=number, latency=latency())
    return call


def test_heard_latency_is_joined_without_the_start_of_the_recording():
    call = answered_turns(5.0, 9.0)
    # The tape began 1.7 s into the call: the greeting at 0.2 would be at −1.5 on it.
    call.at(20, TapeMeasured, report=tape((5.9, 6.5), (9.9, 10.5), first_bot_sound=1.7))
    assert [t.heard_secs for t in CallRecord.fold(call.events).turns] == [0.6, 0.6]


def test_a_turn_only_the_tape_knows_takes_no_other_turns_place():
    call = answered_turns(5.0, 9.0, 14.0)
    call.at(20, RecordingStarted)
    events = [e.model_copy(update={"t": 0.0}) if e.seq == 8 else e for e in call.events]
    call.events[:] = events
    call.at(
        21,
        TapeMeasured,
        report=tape((1.0, 2.0), (4.5, 5.1), (8.2, 9.05), (11.0, 11.5), (13.7, 14.02)),
    )
    record = CallRecord.fold(call.events)
    assert [t.heard_secs for t in record.turns] == [0.6, 0.85, 0.32]


def test_a_turn_the_tape_did_not_hear_stays_unheard():
    call = answered_turns(5.0, 9.0)
    call.at(20, TapeMeasured, report=tape((8.2, 9.0), first_bot_sound=0.2))
    assert [t.heard_secs for t in CallRecord.fold(call.events).turns] == [None, 0.8]


def test_a_tape_without_the_bot_joins_nothing():
    call = answered_turns(5.0)
    call.at(20, TapeMeasured, report={})
    assert CallRecord.fold(call.events).turns[0].heard_secs is None


def test_the_time_to_fold_a_call_grows_with_its_length():
    def fold_secs(turns: int) -> float:
        call = FakeCall()
        for n in range(turns):
            call.at(n, Transcribed, text="words", final=False)
            call.at(n + 0.2, TurnEnded, turn=n + 1, text="words and more")
            call.at(n + 0.5, TurnMeasured, turn=n + 1, latency=latency())
            call.at(n + 0.9, BotSpoke, turn=n + 1, text="an answer", interrupted=False)
        took = []
        for _ in range(3):
            began = time.thread_time()
            assert len(CallRecord.fold(call.events).turns) == turns
            took.append(time.thread_time() - began)
        return min(took)

    # Four times the length: by the square it would be sixteen times the time.
    assert fold_secs(2400) < 8 * fold_secs(600)
