"""A number on its way in: keys and times go in, a verdict comes out."""

import pytest

from processors.number_entry import VOICE_SECS, NumberEntry, NumberSpec
from processors.secret_entry import CARD, luhn_valid

SPEC = NumberSpec(min_digits=3, max_digits=6, first_key_secs=8, next_key_secs=4)


def keyed(keys: str, spec: NumberSpec = SPEC) -> NumberEntry:
    entry = NumberEntry(spec, 0.0, asked=False)
    for at, key in enumerate(keys):
        entry.press(key, float(at))
    return entry


@pytest.mark.parametrize(
    "keys, verdict, digits",
    [
        ("1234", None, "1234"),
        ("1234#", "entered", "1234"),
        ("123456", "entered", "123456"),
        ("1234569", "entered", "123456"),
        ("12#", "too_short", "12"),
        ("#123#", "entered", "123"),
        ("*", "cancelled", ""),
        ("99*123#", "entered", "123"),
        ("99**", "cancelled", ""),
    ],
)
def test_keys_make_a_number(keys, verdict, digits):
    entry = keyed(keys)
    assert (entry.verdict, entry.digits) == (verdict, digits)


@pytest.mark.parametrize(
    "keys, verdict", [("", "silent"), ("12", "too_short"), ("1234", "entered")]
)
def test_silence_ends_an_entry(keys, verdict):
    entry = keyed(keys)
    assert entry.wait(3.0) > 0
    assert entry.wait(8.1) == 0
    assert entry.verdict == verdict


def test_no_time_passes_while_the_bot_asks():
    entry = NumberEntry(SPEC, 0.0)
    assert entry.wait(8.0) == VOICE_SECS  # the voice has not begun
    entry.bot_speaks(True, 9.0)
    assert entry.wait(60.0) > 0
    entry.bot_speaks(False, 60.0)
    assert entry.wait(60.0) == SPEC.first_key_secs
    assert entry.wait(68.0) == 0


def test_a_key_over_the_question_starts_the_clock():
    entry = NumberEntry(SPEC, 0.0, speaking=True)
    entry.press("1", 1.0)
    assert entry.wait(1.0) == SPEC.next_key_secs
    entry.bot_speaks(False, 1.2)
    assert entry.wait(1.2) == pytest.approx(3.8)
    assert entry.wait(5.0) == 0


def test_a_number_that_cannot_be_one_is_refused():
    assert keyed("4242424242424242#", CARD).verdict == "entered"
    assert keyed("4242424242424241#", CARD).verdict == "refused"


@pytest.mark.parametrize(
    "digits, valid",
    [
        ("4242424242424242", True),
        ("378282246310005", True),
        ("79927398713", True),
        ("79927398710", False),
        ("4242424242424224", False),
    ],
)
def test_the_check_digit_of_a_card(digits, valid):
    assert luhn_valid(digits) is valid


@pytest.mark.parametrize("lengths", [(0, 4), (5, 4), (1, 33)])
def test_a_length_that_no_number_has_is_an_error(lengths):
    with pytest.raises(ValueError, match="is no length"):
        NumberSpec(min_digits=lengths[0], max_digits=lengths[1])
