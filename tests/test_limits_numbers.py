"""Which numbers may be called."""

import pytest

from server.limits_numbers import NumberPolicy, NumberRefusedError

POLICY = NumberPolicy(
    countries=["us", "DE"],
    allowed=["+1555*", "+19005550100"],
    blocked=["+14155550666", "+4917*", "+15556*"],
)


@pytest.mark.parametrize(
    "text, number",
    [
        ("+14155552671", "+14155552671"),
        (" +1 (415) 555-2671 ", "+14155552671"),
        ("+49 30 123456", "+4930123456"),
        ("+15550190", "+15550190"),  # of no public network, allowed by name
        ("+19005550100", "+19005550100"),
    ],
)
def test_number_is_called_as_e164(text, number):
    assert POLICY.check(text) == number


@pytest.mark.parametrize(
    "text, code",
    [
        ("", "invalid_number"),
        ("+", "invalid_number"),
        ("ada", "invalid_number"),
        ("4155552671", "invalid_number"),
        ("+1800FLOWERS", "invalid_number"),
        ("+14155552671 ext. 5", "invalid_number"),
        ("+14155552671;ext=5", "invalid_number"),
        ("sip:ada@example.org", "invalid_number"),
        ("+1415555267", "invalid_number"),
        ("+141555526712345678901", "invalid_number"),
        ("+442071838750", "country_not_allowed"),
        ("+881612345678", "country_not_allowed"),
        ("+14155550666", "number_blocked"),
        ("+49171234567", "number_blocked"),
        ("+15556000", "number_blocked"),  # though an allowed pattern names it too
        ("+19005551234", "premium_number"),
        ("+447012345678", "premium_number"),
    ],
)
def test_number_is_refused_with_a_code(text, code):
    with pytest.raises(NumberRefusedError) as caught:
        POLICY.check(text)
    assert caught.value.code == code


def test_nobody_is_called_until_a_country_is_allowed():
    with pytest.raises(NumberRefusedError, match="but to none: SWITCHBOARD_CALL_COUNTRIES"):
        NumberPolicy().check("+14155552671")


def test_all_countries_are_not_satellites_and_premium_numbers():
    everywhere = NumberPolicy(countries=["*"])
    assert everywhere.check("+442071838750") == "+442071838750"
    for number in ("+881612345678", "+19005551234"):
        with pytest.raises(NumberRefusedError):
            everywhere.check(number)
    assert NumberPolicy(countries=["*", "001"]).check("+881612345678") == "+881612345678"
