"""Answers a chat completion by rules: stateless, each request replays the conversation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from loguru import logger

from local.providers.call_summary import summary_of, wants_summary
from local.providers.classifying import classified, is_classification
from local.providers.dialogue import Dialogue
from local.providers.message_history import History, read_history
from local.providers.openai_messages import Answer
from local.providers.phrase_match import PhraseMatcher
from local.providers.rules import Rules, RulesError, load_rules
from local.providers.tool_calls import offered_tools
from local.providers.understanding import Understanding

NO_RULES = "I have no rules for this conversation yet."


@dataclass(frozen=True)
class _Script:
    rules: Rules
    matcher: PhraseMatcher


class Responder:
    """Stands in for a language model.

    It answers the same after a reconnect and in any number of processes, and acts only through the
    tools that the request offers, as a model does.
    """

    def __init__(
        self,
        rules: list[Rules],
        *,
        folder: Path | None = None,
        today: Callable[[], date] = date.today,
    ):
        """Initialize the responder.

        Args:
            rules: One for each conversation it knows.
            folder: Where they were read from; changed files there are read again.
            today: The date for prompts that give none.
        """
        self._folder = folder
        self._today = today
        self._read = _stamps(folder)
        self._scripts = _scripts(rules)

    @classmethod
    def load(cls, folder: Path) -> "Responder":
        """Read ``*.rules.yaml`` of a folder; raises RulesError."""
        return cls(load_rules(folder), folder=folder)

    def answer(self, conversation: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Answer:
        """What to say, or which tool to call, next."""
        self._refresh()
        if is_classification(conversation):
            return Answer(classified(conversation))
        if wants_summary(conversation):
            return Answer(summary_of(conversation))
        history = read_history(conversation, self._today())
        script = next((s for s in self._scripts if s.rules.prompt_contains in history.prompt), None)
        if script is None:
            known = ", ".join(repr(s.rules.prompt_contains) for s in self._scripts) or "none"
            logger.warning(
                f"Responder has no rules for this prompt; it knows prompts with: {known}"
            )
            return Answer(NO_RULES)
        return _replay(script, history, offered_tools(tools))

    def _refresh(self) -> None:
        """Take up rules files that were written meanwhile; wrong ones change nothing."""
        stamps = _stamps(self._folder)
        if self._folder is None or stamps == self._read:
            return
        self._read = stamps
        try:
            self._scripts = _scripts(load_rules(self._folder))
        except (RulesError, OSError) as error:
            logger.error(f"Responder keeps its old rules, {error}")


def _replay(script: _Script, history: History, offered: dict[str, dict[str, Any]]) -> Answer:
    dialogue = Dialogue(script.rules, script.matcher, history.today)
    answer = dialogue.begin()
    for exchange in history.exchanges:
        # A tool that was called then was offered then, whatever is offered now.
        then = offered | {use.name: offered.get(use.name, {}) for use in exchange.tools}
        if exchange.said:
            answer = dialogue.hear(exchange.said, then)
        for use in exchange.tools:
            if not use.cancelled:
                answer = dialogue.learn(use, offered)
    return answer


def _scripts(rules: list[Rules]) -> list[_Script]:
    return [_Script(item, Understanding.matcher(item)) for item in rules]


def _stamps(folder: Path | None) -> dict[Path, int]:
    files = folder.glob("*.rules.yaml") if folder else ()
    return {path: path.stat().st_mtime_ns for path in files}
