"""Finds all that an utterance says about the slots of a form."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from local.providers.found import Found
from local.providers.normalise import normalise
from local.providers.rules import SlotRule
from local.providers.slot_counts import find_count, find_digits
from local.providers.slot_dates import find_date
from local.providers.slot_names import find_name
from local.providers.slot_times import TimeSense, find_time

# What is found is cut out before the next is looked for: "Friday the 27th at 7 for 4".
_ORDER = ("date", "time", "count", "digits")


@dataclass(frozen=True)
class SlotFinder:
    """The slots of one conversation.

    Parameters:
        rules: By name.
        today: What "tomorrow" counts from.
    """

    rules: Mapping[str, SlotRule]
    today: date

    def find(self, said: str, names: Iterable[str], context: "SlotContext") -> dict[str, Any]:
        """The slots among ``names`` that ``said`` fills, with their values."""
        text = normalise(said)
        wanted = [name for name in names if name in self.rules]
        values: dict[str, Any] = {}
        for kind in _ORDER:
            for name in wanted:
                if self.rules[name].type != kind:
                    continue
                if found := self._find(name, text, context):
                    values[name] = found.value
                    text = found.cut_from(text)
        for name in wanted:
            if self.rules[name].type == "text" and name == context.asked and text:
                values[name] = said.strip()
            if self.rules[name].type == "name":
                asked = name == context.asked and not values and context.plain_names
                if found := find_name(said, asked=asked):
                    values[name] = found.value
        return values

    def _find(self, name: str, text: str, context: "SlotContext") -> Found[Any] | None:
        rule, asked = self.rules[name], name == context.asked
        if rule.type == "date":
            return find_date(text, self.today, asked=asked)
        if rule.type == "time":
            sense = TimeSense(
                time.fromisoformat(rule.earliest),
                time.fromisoformat(rule.latest),
                context.offered.get(name, ()),
                asked,
            )
            return find_time(text, sense)
        if rule.type == "count":
            return find_count(text, asked=asked)
        return find_digits(text)


@dataclass(frozen=True)
class SlotContext:
    """What was going on when it was said.

    Parameters:
        asked: The slot that was asked for.
        offered: Values that were offered, by slot.
        plain_names: A name may come without "my name is".
    """

    asked: str | None = None
    offered: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    plain_names: bool = True
