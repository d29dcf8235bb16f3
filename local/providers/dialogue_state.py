"""What a conversation has come to, rebuilt from its messages for each request."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from local.providers.rules import FormRule

CONFIRM, CHANGE, ELSE = "?confirm", "?change", "?else"
"""Open questions that are not for a slot."""


@dataclass
class DialogueState:
    """Open form, filled slots, open question.

    Parameters:
        form: The task under way.
        slots: What the caller has told.
        settled: By tool, the arguments whose result let the form go on.
        confirmed: The slots to which the caller has said yes.
        question: A slot's name, or CONFIRM, CHANGE, ELSE.
        offered: By slot, the values offered last.
        misses: Utterances in a row that were not understood.
        last: What was said last.
        used: How often each list of sentences was drawn from.
    """

    form: FormRule | None = None
    slots: dict[str, Any] = field(default_factory=dict)
    settled: dict[str, dict[str, str]] = field(default_factory=dict)
    confirmed: dict[str, Any] | None = None
    question: str | None = None
    offered: dict[str, list[Any]] = field(default_factory=dict)
    misses: int = 0
    last: str = ""
    used: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def open(self, form: FormRule) -> None:
        """Begin a task from its first step."""
        self.close()
        self.form = form

    def close(self) -> None:
        """Forget the task and all it had collected."""
        self.form, self.confirmed, self.question = None, None, None
        self.slots, self.settled, self.offered = {}, {}, {}

    def pick(self, sentences: tuple[str, ...]) -> str:
        """The next of some sentences that take turns."""
        if not sentences:
            return ""
        self.used[sentences] += 1
        return sentences[(self.used[sentences] - 1) % len(sentences)]

    @property
    def form_slots(self) -> list[str]:
        """Every slot the open task collects, in order."""
        steps = self.form.steps if self.form else ()
        return [name for step in steps for name in step.collect]
