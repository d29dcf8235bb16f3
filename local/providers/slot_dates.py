"""Finds the day a caller means."""

import re
from datetime import date, timedelta
from difflib import get_close_matches

from local.providers.found import Found, first_match

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = "january february march april may june july august september october november december"
MONTHS: tuple[str, ...] = tuple(_MONTHS.split())
_WEEKDAY = "|".join(WEEKDAYS)
_MONTH = "|".join(MONTHS)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"


def find_date(text: str, today: date, *, asked: bool) -> Found[date] | None:
    """The day named in normalised text.

    Args:
        text: What was said.
        today: What "tomorrow" counts from.
        asked: The day was asked for, so that a bare number is one.
    """
    text = re.sub(r"\bto morrow\b|\btomm?or?row\b", "tomorrow", text)
    if asked:
        text = _mend(text)
    return (
        _relative(text, today)
        or _in_month(text, today)
        or _weekday(text, today)
        or _of_this_month(text, today, asked=asked)
    )


def _relative(text: str, today: date) -> Found[date] | None:
    for pattern, days in (
        (r"\b(?:the )?day after tomorrow\b", 2),
        (r"\btomorrow(?: (?:night|evening|afternoon))?\b", 1),
        (r"\b(?:today|tonight|this evening|this afternoon)\b", 0),
    ):
        if match := re.search(pattern, text):
            return Found(today + timedelta(days), match.span())
    if match := re.search(r"\bin (\d{1,2}) days\b", text):
        return Found(today + timedelta(int(match[1])), match.span())
    if match := re.search(r"\bin (?:a|1) week\b", text):
        return Found(today + timedelta(7), match.span())
    return None


def _in_month(text: str, today: date) -> Found[date] | None:
    match = first_match(
        text,
        rf"\b(?:(?:{_WEEKDAY}) )?(?:the )?(?P<month>{_MONTH}) (?:the )?{_DAY}\b",
        rf"\b(?:(?:{_WEEKDAY}) )?(?:the )?{_DAY} (?:of )?(?P<month>{_MONTH})\b",
    )
    if not match:
        return None
    number = next(int(group) for group in match.groups() if group and group.isdigit())
    month = MONTHS.index(match["month"]) + 1
    for year in (today.year, today.year + 1):
        day = _date(year, month, number)
        if day and day >= today:
            return Found(day, match.span())
    return None


def _weekday(text: str, today: date) -> Found[date] | None:
    """The next such day; with a number ("Friday the 27th") the number decides."""
    match = re.search(
        rf"\b(?P<next>next |this |coming )?(?P<day>{_WEEKDAY})(?:'?s)?(?: the {_DAY}\b| {_DAY}"
        r"(?<=[a-z])\b)?(?P<week> next week)?(?: (?:night|evening|afternoon))?",
        text,
    )
    if not match:
        return None
    if (number := match[3] or match[4]) and (found := _next_numbered(int(number), today)):
        return Found(found, match.span())
    ahead = (WEEKDAYS.index(match["day"]) - today.weekday()) % 7
    if match["week"]:
        ahead = 7 - today.weekday() + WEEKDAYS.index(match["day"])
    elif ahead == 0 and match["next"] == "next ":
        ahead = 7
    return Found(today + timedelta(ahead), match.span())


def _of_this_month(text: str, today: date, *, asked: bool) -> Found[date] | None:
    match = re.search(r"\b(?:on |for )?the (\d{1,2})(?:st|nd|rd|th)\b(?! 1\b)", text)
    if not match and asked:
        match = re.search(r"\bthe (\d{1,2})\b|\b(\d{1,2})(?:st|nd|rd|th)\b", text)
    if not match and asked:
        match = re.fullmatch(r"(\d{1,2})", text)
    day = _next_numbered(int(match[1] or match[2]), today) if match else None
    return Found(day, match.span()) if match and day else None


def _next_numbered(number: int, today: date) -> date | None:
    """The next day of a month with this number."""
    year, month = today.year, today.month
    for _ in range(3):
        day = _date(year, month, number)
        if day and day >= today:
            return day
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return None


def _date(year: int, month: int, number: int) -> date | None:
    try:
        return date(year, month, number)
    except ValueError:
        return None


def _mend(text: str) -> str:
    """Words that sound like a day, when a day was asked for."""
    known = [*WEEKDAYS, "tomorrow", "tonight"]
    text = re.sub(r"\b(\w{2,5}) day\b", r"\1day", text)
    return " ".join(
        next(iter(get_close_matches(word, known, 1, 0.76)), word) if len(word) > 4 else word
        for word in text.split()
    )
