"""Sentences with slots in braces, spoken the way people say dates and times."""

import re
import string
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from local.providers.slot_dates import MONTHS, WEEKDAYS

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d$")
_ISO_TIME = re.compile(r"\d\d:\d\d$")


def spoken(template: str, values: Mapping[str, Any], today: date) -> str:
    """Fill a sentence: ``{date}``, ``{time}``, ``{reference:spell}``, ``{party_size:people}``.

    A name that has no value leaves nothing behind.
    """
    return re.sub(r"\s+", " ", _Spoken(today).vformat(template, (), values)).strip()


def written(template: str, values: Mapping[str, Any]) -> str:
    """Fill an argument of a tool: dates and times in ISO form; ``{date:weekday}`` its name."""
    return _Written().vformat(template, (), values)


def understood(value: Any) -> Any:
    """A field of a tool's result, with ISO dates and times read; lists likewise."""
    if isinstance(value, list):
        return [understood(item) for item in value]
    if isinstance(value, str):
        try:
            if _ISO_DATE.match(value):
                return date.fromisoformat(value)
            if _ISO_TIME.match(value):
                return time.fromisoformat(value)
        except ValueError:
            return value
    return value


class _Written(string.Formatter):
    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "weekday" and isinstance(value, date):
            return WEEKDAYS[value.weekday()].title()
        if isinstance(value, time):
            return value.strftime("%H:%M")
        return str(value)


class _Spoken(_Written):
    def __init__(self, today: date):
        self._today = today

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "spell":
            return " ".join(str(value).replace("-", ""))
        if format_spec == "people":
            return f"{value} {'person' if value == 1 else 'people'}"
        if format_spec == "weekday":
            return super().format_field(value, format_spec)
        return self._say(value)

    def _say(self, value: Any) -> str:
        if isinstance(value, list):
            said = [self._say(item) for item in value]
            return " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
        if isinstance(value, time):
            return _say_time(value)
        if isinstance(value, date):
            return _say_date(value, self._today)
        return str(value)


def _say_time(value: time) -> str:
    if value == time(12):
        return "noon"
    hour = (value.hour - 1) % 12 + 1
    minute = f":{value.minute:02d}" if value.minute else ""
    return f"{hour}{minute} {'AM' if value.hour < 12 else 'PM'}"


def _say_date(value: date, today: date) -> str:
    if value == today:
        return "today"
    weekday = WEEKDAYS[value.weekday()].title()
    ending = (
        "th" if 10 <= value.day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(value.day % 10)
    )
    said = f"{weekday}, {MONTHS[value.month - 1].title()} {value.day}{ending or 'th'}"
    return f"tomorrow, {said}" if (value - today).days == 1 else said
