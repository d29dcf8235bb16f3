"""A value found in what was said."""

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A value, and the stretch of text it was found in."""

    value: T
    span: tuple[int, int]

    def cut_from(self, text: str) -> str:
        """The text without it, so that nothing is found twice."""
        return f"{text[: self.span[0]]} | {text[self.span[1] :]}"


def first_match(text: str, *patterns: str) -> re.Match[str] | None:
    """The match of the first pattern that has one."""
    return next((match for p in patterns if (match := re.search(p, text))), None)
