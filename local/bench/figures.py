"""Figures of a bench: samples in, medians and ratios out."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    Parameters:
        name: What, in words.
        unit: ``ms``, ``s``, ``MB``, ``%`` (of one core), ``packets``, or "" for things counted.
        samples: Every measurement, in order.
        target: What to stay at or below, for ``statistic``; None if it is only shown.
        statistic: ``median``, ``p95`` or ``max``.
        note: What a reader must know.
    """

    name: str
    unit: str
    samples: Sequence[float] = field(default_factory=list)
    target: float | None = None
    statistic: str = "median"
    note: str = ""

    @property
    def value(self) -> float | None:
        """The statistic of the samples; None without any."""
        if not self.samples:
            return None
        if self.statistic == "max":
            return max(self.samples)
        return statistics.median(self.samples) if self.statistic == "median" else self.p95

    @property
    def p95(self) -> float | None:
        """The sample that 95 % are at or below (nearest rank)."""
        if not self.samples:
            return None
        return sorted(self.samples)[math.ceil(0.95 * len(self.samples)) - 1]

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or without samples."""
        if self.target is None or self.value is None:
            return None
        return self.value <= self.target

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "n": len(self.samples),
            self.statistic: self.value,
            "p95": self.p95,
            "min": min(self.samples, default=None),
            "max": max(self.samples, default=None),
            "target": self.target,
            "met": self.met,
            "note": self.note,
            "samples": [round(sample, 4) for sample in self.samples],
        }


def ratio(name: str, ours: Figure, theirs: Figure, target: float) -> Figure:
    """One figure's median as a part of another's, both measured in the same run."""
    if not ours.samples or not theirs.samples:
        return Figure(name, "×", [], target)
    value = statistics.median(ours.samples) / statistics.median(theirs.samples)
    return Figure(name, "×", [value], target)
