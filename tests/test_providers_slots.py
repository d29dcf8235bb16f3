from datetime import date, time

import pytest

from local.providers.normalise import normalise
from local.providers.slot_counts import find_count, find_digits
from local.providers.slot_dates import find_date
from local.providers.slot_names import find_name
from local.providers.slot_times import TimeSense, find_time
from local.providers.yes_no import is_no, is_yes

TODAY = date(2026, 11, 21)  # a Saturday
EVENING = TimeSense(time(11, 30), time(23))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Seven thirty p.m.", "7 30pm"),
        ("at two p. f..", "at 2pm"),
        ("the twenty-seventh of November", "the 27th of november"),
        ("seven o'clock", "7 oclock"),
        ("at 7.30", "at 7:30"),
        ("Twenty, please!", "20 please"),
    ],
)
def test_numbers_and_times_are_brought_into_one_form(said: str, meant: str):
    assert normalise(said) == meant


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("tomorrow", date(2026, 11, 22)),
        ("to morrow night", date(2026, 11, 22)),
        ("the day after tomorrow", date(2026, 11, 23)),
        ("tonight at eight", TODAY),
        ("on Friday", date(2026, 11, 27)),
        ("next Saturday", date(2026, 11, 28)),
        ("Friday the twenty seventh", date(2026, 11, 27)),
        ("Friday the fourth", date(2026, 12, 4)),
        ("the fourteenth", date(2026, 12, 14)),
        ("on the twenty-third", date(2026, 11, 23)),
        ("November 27th", date(2026, 11, 27)),
        ("the third of December", date(2026, 12, 3)),
        ("Tuesday, March second", date(2027, 3, 2)),
        ("in three days", date(2026, 11, 24)),
        ("a table for four at seven", None),
        ("one second please", None),
    ],
)
def test_a_day_is_understood_from_today(said: str, day: date | None):
    found = find_date(normalise(said), TODAY, asked=False)
    assert (found and found.value) == day


@pytest.mark.parametrize("said", ["fry day", "Fridey", "friday please", "Frida, the 27th"])
def test_a_misheard_day_is_understood_when_it_was_asked_for(said: str):
    found = find_date(normalise(said), TODAY, asked=True)
    assert found and found.value == date(2026, 11, 27)


@pytest.mark.parametrize(
    ("said", "asked", "meant"),
    [
        ("at seven thirty", False, time(19, 30)),
        ("seven thirty", False, time(19, 30)),
        ("7:30 PM", False, time(19, 30)),
        ("half past seven", False, time(19, 30)),
        ("quarter to eight", False, time(19, 45)),
        ("a quarter past six", False, time(18, 15)),
        ("nineteen thirty", False, time(19, 30)),
        ("eight o'clock", False, time(20)),
        ("at noon", False, time(12)),
        ("around eight", False, time(20)),
        ("one p.m.", False, time(13)),
        ("eight in the morning", False, time(8)),
        ("seven", True, time(19)),
        ("seven", False, None),
        ("for eight", True, time(20)),
        ("for four people", True, None),
        ("730", True, time(19, 30)),
    ],
)
def test_a_time_is_what_the_house_is_open_at(said: str, asked: bool, meant: time | None):
    sense = TimeSense(EVENING.earliest, EVENING.latest, asked=asked)
    found = find_time(normalise(said), sense)
    assert (found and found.value) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("the first one", time(18, 30)),
        ("the later one please", time(21)),
        ("half past six then", time(18, 30)),
        ("the other one", time(21)),
        ("nine works", time(21)),
    ],
)
def test_one_of_the_offered_times_is_taken(said: str, meant: time):
    sense = TimeSense(EVENING.earliest, EVENING.latest, (time(18, 30), time(21)), asked=True)
    found = find_time(normalise(said), sense)
    assert found and found.value == meant


@pytest.mark.parametrize(
    ("said", "asked", "people"),
    [
        ("a table for four", False, 4),
        ("table for to", False, 2),
        ("a table for for", False, 4),
        ("we are six", False, 6),
        ("two adults and two children", False, 4),
        ("party of twelve", False, 12),
        ("just me", False, 1),
        ("me and my wife", False, 2),
        ("five", True, 5),
        ("five", False, None),
        ("ate", True, 8),
        ("For.", True, 4),
        ("there will be three of us", False, 3),
    ],
)
def test_the_number_of_people_is_heard(said: str, asked: bool, people: int | None):
    found = find_count(normalise(said), asked=asked)
    assert (found and found.value) == people


@pytest.mark.parametrize(
    ("said", "asked", "name"),
    [
        ("My name is Jennifer Martinez.", False, "Jennifer Martinez"),
        ("It's under Miller, please.", False, "Miller"),
        ("under the name of O'Brien", False, "O'Brien"),
        ("It's for the Johnson family", False, "Johnson"),
        ("Martinez", True, "Martinez"),
        ("Uh, Tom Baker please.", True, "Tom Baker"),
        ("It's Tom Baker.", True, "Tom Baker"),
        ("M A R T I N E Z", True, "Martinez"),
        ("B-A-K-E-R", True, "Baker"),
        ("Martinez", False, None),
        ("What do you mean?", True, None),
        ("I'd like a table", True, None),
        ("yes", True, None),
    ],
)
def test_a_name_is_taken_as_heard(said: str, asked: bool, name: str | None):
    found = find_name(said, asked=asked)
    assert (found and found.value) == name


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("four one five, five five five, oh one nine eight", "4155550198"),
        ("double five one two", "5512"),
        ("415-550198", "415550198"),
        ("two people", None),
    ],
)
def test_digits_are_read_in_any_grouping(said: str, digits: str | None):
    found = find_digits(normalise(said))
    assert (found and found.value) == digits


@pytest.mark.parametrize(
    "said",
    ["Yes.", "Yeah, that's right.", "Sure, go ahead", "That works.", "Okay", "yes please do"],
)
def test_a_yes_is_heard(said: str):
    assert is_yes(normalise(said)) and not is_no(normalise(said))


@pytest.mark.parametrize(
    "said", ["No.", "Nope, thanks", "Know.", "That's all", "not really", "no no"]
)
def test_a_no_is_heard(said: str):
    assert is_no(normalise(said)) and not is_yes(normalise(said))
