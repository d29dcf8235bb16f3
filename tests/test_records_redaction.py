import pytest

from records.call_record import CallRecord
from records.events import CallerJoined, KeysEntered, ToolCalled, ToolReturned, Transcribed
from records.redaction import HIDDEN, mask_numbers, redacted
from tests.fakes_records import FakeCall, booking

PRIVATE_WORDS = ["table for two", "Eight", "5557777", "12#", "people': 2", "Oh, and", "Blue Door"]


def test_a_redacted_record_holds_no_word_number_or_digit_of_the_caller():
    record = CallRecord.fold(booking())
    text = str(redacted(record).model_dump())
    assert [word for word in PRIVATE_WORDS if word in str(record.model_dump())] == PRIVATE_WORDS
    assert [word for word in PRIVATE_WORDS if word in text] == []


def test_redaction_leaves_what_is_needed_to_see_how_the_call_went():
    record = redacted(CallRecord.fold(booking()))
    assert record.caller == "+1555•••7001"
    assert record.room == "call-+1555•••7001_Xy12"
    assert record.tools[0].arguments == {"people": HIDDEN}
    assert (record.outcome, record.turns[1].heard_secs) == ("caller_hung_up", 0.85)
    assert record.errors[0].message == "connection lost"


def test_redaction_changes_no_original_and_hides_twice_as_well_as_once():
    record = CallRecord.fold(booking())
    once = redacted(record)
    assert redacted(once) == once
    assert record == CallRecord.fold(booking())


@pytest.mark.parametrize(
    "kind, fields, field, shown",
    [
        (Transcribed, {"text": "my card is 4111", "final": True}, "text", HIDDEN),
        (Transcribed, {"text": "", "final": True}, "text", ""),
        (KeysEntered, {"keys": "4711"}, "keys", HIDDEN),
        (CallerJoined, {"caller": "alice", "dialled": "", "bot": None}, "caller", HIDDEN),
        (
            ToolCalled,
            {"tool_call_id": "1", "name": "n", "arguments": {"who": {"names": ["Ann", None]}}},
            "arguments",
            {"who": {"names": [HIDDEN, None]}},
        ),
        (
            ToolReturned,
            {"tool_call_id": "1", "name": "n", "secs": 1.0, "error": "no guest Ann"},
            "error",
            HIDDEN,
        ),
        (ToolReturned, {"tool_call_id": "1", "name": "n", "secs": 1.0}, "error", None),
    ],
)
def test_private_fields_of_an_event_are_hidden(kind, fields, field, shown):
    event = FakeCall().at(0, kind, **fields)
    assert getattr(redacted(event), field) == shown


@pytest.mark.parametrize(
    "text, shown",
    [
        ("+15550100", "+1•••0100"),
        ("+15557777001", "+1555•••7001"),
        ("5551234", "•••1234"),
        ("1001", "1001"),
        ("call-+15557777001_ab", "call-+1555•••7001_ab"),
    ],
)
def test_numbers_keep_their_ends(text, shown):
    assert mask_numbers(text) == shown
