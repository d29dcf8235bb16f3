"""Finds the time of day a caller means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time

from local.providers.found import Found, first_match

_HALF = {"am": 0, "pm": 12}
_CUE = r"(?:at|around|about|by|after|before|until|from)"
_PEOPLE = r"(?! ?(?:people|persons?|guests?|of us|adults?|days?|st|nd|rd|th)\b)"


@dataclass(frozen=True)
class TimeSense:
    """How a time is to be understood.

    Parameters:
        earliest: "Seven" is not before this.
        latest: And not after this.
        offered: Times that were just offered to the caller.
        asked: The time was asked for, so that a bare number is one.
    """

    earliest: time = time(8)
    latest: time = time(21, 59)
    offered: Sequence[time] = ()
    asked: bool = False


def find_time(text: str, sense: TimeSense) -> Found[time] | None:
    """The time named in normalised text; "seven" is taken for what the sense allows."""
    match = _exact(text)
    if not match and sense.offered and (chosen := _chosen(text, sense.offered)):
        return chosen
    match = match or (_bare(text) if sense.asked else None)
    if match:
        hour, minute, half = _numbers(match)
        half = half or _half_of_day(text)
        value = _resolve(hour, minute, half, sense)
        if value:
            return Found(value, match.span())
    noon = re.search(r"\b(?:noon|midday)\b", text)
    return Found(time(12), noon.span()) if noon else None


def _exact(text: str) -> re.Match[str] | None:
    return first_match(
        text,
        rf"\b(?:{_CUE} )?(?P<half>half) (?:past )?(?P<h>\d{{1,2}})\b",
        rf"\b(?:{_CUE} )?(?:a )?(?P<to>quarter to|10 to|5 to) (?P<h>\d{{1,2}})\b",
        rf"\b(?:{_CUE} )?(?:a )?(?P<past>quarter past|quarter after|10 past|5 past) "
        r"(?P<h>\d{1,2})\b",
        rf"\b(?:{_CUE} )?(?P<h>\d{{1,2}}):(?P<m>\d\d) ?(?P<ampm>am|pm)?\b",
        rf"\b(?:{_CUE} )?(?P<h>\d{{1,2}}) (?P<m>[0-5][05]) ?(?P<ampm>am|pm)?\b{_PEOPLE}",
        rf"\b(?:{_CUE} )?(?P<h>\d{{1,2}}) ?(?:oclock)? ?(?P<ampm>am|pm)\b",
        rf"\b(?:{_CUE} )?(?P<h>\d{{1,2}}) oclock\b",
        rf"\b(?:{_CUE} )?(?P<h>\d{{1,2}}) (?:in the (?:morning|afternoon|evening)|at night)\b",
        rf"\b{_CUE} (?P<h>\d{{1,2}})(?P<m>[0-5]\d)?\b{_PEOPLE}",
    )


def _bare(text: str) -> re.Match[str] | None:
    """Only a number, or the only number there is."""
    return first_match(
        text,
        rf"\b(?P<h>\d{{1,2}})(?P<m>[0-5]\d)\b{_PEOPLE}",
        rf"\b(?:for )?(?P<h>\d{{1,2}})\b{_PEOPLE}",
    )


def _numbers(match: re.Match[str]) -> tuple[int, int, str]:
    found = match.groupdict()
    hour, minute = int(found["h"]), int(found.get("m") or 0)
    if found.get("half"):
        minute = 30
    elif past := found.get("past"):
        minute = 15 if past.startswith("quarter") else int(past.split()[0])
    elif to := found.get("to"):
        hour, minute = hour - 1, 60 - (15 if to.startswith("quarter") else int(to.split()[0]))
    return hour, minute, found.get("ampm") or ""


def _half_of_day(text: str) -> str:
    if re.search(r"\b(?:evening|tonight|night|afternoon|dinner)\b", text):
        return "pm"
    return "am" if re.search(r"\b(?:in the morning|breakfast)\b", text) else ""


def _resolve(hour: int, minute: int, half: str, sense: TimeSense) -> time | None:
    if hour > 23 or minute > 59:
        return None
    if hour > 12 or hour == 0:
        return time(hour, minute)
    if half:
        return time(hour % 12 + _HALF[half], minute)
    choices = [time(hour % 12 + extra, minute) for extra in (12, 0)]
    offered = [choice for choice in choices if choice in sense.offered]
    allowed = [choice for choice in choices if sense.earliest <= choice <= sense.latest]
    return (offered or allowed or choices)[0]


def _chosen(text: str, offered: Sequence[time]) -> Found[time] | None:
    """One of the offered times: "the first one", "the later one", "either"."""
    order = sorted(offered)
    for pattern, value in (
        (r"\b(?:1st|first)(?: 1)?\b", offered[0]),
        (r"\b(?:2nd|other)(?: 1)?\b", offered[min(1, len(offered) - 1)]),
        (r"\b(?:3rd|last)(?: 1)?\b", offered[-1]),
        (r"\b(?:earlier|earliest)(?: 1)?\b", order[0]),
        (r"\b(?:later|latest)(?: 1)?\b", order[-1]),
        (r"\b(?:either|any|whichever|doesn't matter)\b", offered[0]),
    ):
        if match := re.search(pattern, text):
            return Found(value, match.span())
    return None
