"""What is wrong with a configuration, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem of a bot, a flow or the environment; they are collected and shown together.

    Parameters:
        where: File or place, e.g. ``bots/receptionist.yaml`` or ``environment``.
        key: The key or variable, e.g. ``tts.voice``; empty if the place itself is wrong.
        message: What is wrong, naming the value and the allowed ones.
        remedy: What to do, as one sentence or command.
    """

    where: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        return f"{place}: {self.message}. {self.remedy}"
