"""How a list of durations is summed up: never as a mean alone."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict


class Percentiles(BaseModel):
    """Durations in seconds, summed up.

    Parameters:
        count: How many there were.
        p50: The median.
        p95: 95 % are no longer, between neighbours by linear interpolation.
        p99: 99 % are no longer.
        max: The longest.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, secs: Iterable[float]) -> Self | None:
        """Sum up ``secs``; None if there are none."""
        ordered = sorted(secs)
        if not ordered:
            return None
        return cls(
            count=len(ordered),
            p50=_at(ordered, 0.50),
            p95=_at(ordered, 0.95),
            p99=_at(ordered, 0.99),
            max=ordered[-1],
        )


def _at(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (place - below), 6)
