"""The people a bot can hand a caller to: the keys of ``bots/desks.yaml``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from bots.problems import read_yaml, validation_problems
from records.transfers import TransferMode
from services.problem import Problem

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FILE = "desks.yaml"

_SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")


def _days_of(key: str) -> tuple[int, ...]:
    first, _, last = key.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{key!r} is no day or range of days of {', '.join(DAYS)}")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return tuple((begin + i) % 7 for i in range((end - begin) % 7 + 1))


def _days(value: str) -> str:
    _days_of(value)
    return value


def _span(value: str) -> str:
    found = _SPAN.fullmatch(value)
    begin, end = (found[1] + found[2], found[3] + found[4]) if found else ("", "")
    if not found or begin >= end or end > "2400":
        raise ValueError(f"{value!r} is no span such as '09:00-17:30'")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone such as 'Europe/Berlin'") from error
    return value


def _holiday(value: object) -> str:
    text = value.isoformat() if isinstance(value, date) else str(value)
    try:
        date.fromisoformat(text if len(text) > 5 else f"2000-{text}")
    except ValueError as error:
        raise ValueError(f"{text!r} is no day such as '2026-12-24' or '12-25'") from error
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Number = Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14}|sips?:[^\s<>]+)$")]
Spans = Annotated[tuple[Annotated[str, AfterValidator(_span)], ...], BeforeValidator(_listed)]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hours(_Keys):
    """When a desk takes calls.

    Parameters:
        zone: Time zone of the spans, such as ``Europe/Berlin``.
        open: Spans by day: ``mon-fri: ["09:00-12:00", "13:00-17:30"]``; other days are closed.
        holidays: Days when it is closed: ``2026-12-24``, or ``12-25`` for every year.
    """

    zone: Annotated[str, AfterValidator(_zone)]
    open: Mapping[Annotated[str, AfterValidator(_days)], Spans]
    holidays: tuple[Annotated[str, BeforeValidator(_holiday)], ...] = ()

    def are_open(self, now: datetime) -> bool:
        """Whether the desk takes calls at a moment (with time zone)."""
        here = now.astimezone(ZoneInfo(self.zone))
        today = here.date().isoformat()
        if today in self.holidays or today[5:] in self.holidays:
            return False
        spans = [
            s
            for days, spans in self.open.items()
            if here.weekday() in _days_of(days)
            for s in spans
        ]
        return any(_within(here.time(), span) for span in spans)


class AfterHours(_Keys):
    """What a caller hears when the desk is closed.

    Parameters:
        say: The answer.
    """

    say: Annotated[str, Field(min_length=1)]


class Desk(_Keys):
    """One place where people answer.

    Parameters:
        name: By which bots and tools know it.
        title: How it is spoken of: "our front desk".
        numbers: Tried in order; a cold desk may also have SIP addresses.
        hours: When it takes calls; None: always.
        ring_secs: How long each number may ring.
        mode: ``warm``: the person is told who calls and takes the call or not; ``cold``: the
            caller's phone is sent there by REFER.
        language: BCP 47 tag of what the person is told; None: the bot's.
        trunk: Outbound trunk, by name or id; "" is the only one there is.
        caller_id: Number that the person sees; "" leaves it to the trunk.
        after_hours: What the caller hears when it is closed; None: that it is closed.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    title: Annotated[str, Field(min_length=1, max_length=60)]
    numbers: Annotated[tuple[Number, ...], Field(min_length=1)]
    hours: Hours | None = None
    ring_secs: Annotated[int, Field(ge=5, le=120)] = 25
    mode: TransferMode = "warm"
    language: Literal["en", "en-US", "en-GB", "de", "de-DE"] | None = None
    trunk: str = ""
    caller_id: str = ""
    after_hours: AfterHours | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it takes calls at a moment (with time zone)."""
        return self.hours is None or self.hours.are_open(now)


class DeskFile(_Keys):
    """``bots/desks.yaml``.

    Parameters:
        desks: All desks.
    """

    desks: Annotated[tuple[Desk, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Desks:
    """All desks, by name, in the order of the file."""

    by_name: Mapping[str, Desk] = field(default_factory=dict)

    def choose(self, wanted: Sequence[str], now: datetime) -> tuple[Desk | None, bool]:
        """The first of the wanted desks that is open.

        Returns:
            The desk and True; the first one and False when all are closed; None and False when
            none is known.
        """
        known = [desk for name in wanted if (desk := self.by_name.get(name))]
        for desk in known:
            if desk.is_open(now):
                return desk, True
        return (known[0] if known else None), False


def load_desks(bots_dir: Path) -> tuple[Desks, list[Problem]]:
    """Read ``desks.yaml`` beside the bots; without the file there are no desks."""
    path = bots_dir / FILE
    if not path.is_file():
        return Desks(), []
    data, problems = read_yaml(path)
    if problems:
        return Desks(), problems
    try:
        desks = DeskFile.model_validate(data).desks
    except ValidationError as error:
        return Desks(), validation_problems(path, DeskFile, error)
    problems = [*_problems_together(path, desks)]
    return Desks({desk.name: desk for desk in desks}), problems


def _problems_together(path: Path, desks: Sequence[Desk]) -> list[Problem]:
    problems: list[Problem] = []
    names = [desk.name for desk in desks]
    for number, desk in enumerate(desks):
        if names.index(desk.name) != number:
            message = f"the name '{desk.name}' is given twice"
            problems.append(Problem(str(path), f"desks.{number}.name", message, "rename one"))
        if desk.mode == "warm" and any(not n.startswith("+") for n in desk.numbers):
            message = "a warm desk is dialled by its number, not by a SIP address"
            remedy = "write E.164 numbers, or `mode: cold`"
            problems.append(Problem(str(path), f"desks.{number}.numbers", message, remedy))
    return problems


def _within(now: time, span: str) -> bool:
    begin, end = span.split("-")
    return begin <= now.strftime("%H:%M") < end
