"""What the rule-based responder knows about one conversation: ``NAME.rules.yaml``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)


class RulesError(Exception):
    """Rules files are wrong; all their problems are in the message.

    Parameters:
        code: Always ``rules``.
        retryable: Always False: somebody must correct the file.
    """

    code = "rules"
    retryable = False


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Pattern = Annotated[str, AfterValidator(_pattern)]
Sentences = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One sentence, or several that take turns."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SlotRule(_Strict):
    """Something the caller has to tell.

    Parameters:
        type: What kind of thing; it decides how it is found and spoken. ``text`` is all that the
            caller says when asked for it.
        ask: The question for it.
        earliest: For a time: what "seven" can mean at the earliest, ``HH:MM``.
        latest: And at the latest.
        declined: Said when the caller wants none of the offered values.
        choose: Said when the caller says yes to several.
    """

    type: Literal["date", "time", "count", "name", "digits", "text"]
    ask: Sentences
    earliest: str = "08:00"
    latest: str = "21:59"
    declined: Sentences = ()
    choose: str = "Which one would you like: {offered}?"


class OutcomeRule(_Strict):
    """What a tool's result means.

    Parameters:
        when: Fields of the result: a value, ``some``, ``none``, or ``/regular expression/``.
        say: What to say then; fields of the result and slots in braces.
        forget: Slots to be asked for again.
        offer: Slots whose next value may be one of a list in the result.
        done: The form is finished.
    """

    when: dict[str, str | int | bool] = {}
    say: Sentences = ()
    forget: tuple[str, ...] = ()
    offer: dict[str, str] = {}
    done: bool = False


class ToolRule(_Strict):
    """How a tool is called, and what its results mean.

    Parameters:
        arguments: Templates by parameter; without one, the slot of the same name.
        otherwise: Templates for parameters whose slots the caller has not filled.
        say: Said while the tool works.
        outcomes: The first that fits is taken.
        missing: Said when the request does not offer the tool.
    """

    arguments: dict[str, str] = {}
    otherwise: dict[str, str] = {}
    say: Sentences = ()
    outcomes: tuple[OutcomeRule, ...] = ()
    missing: Sentences = ()


class IntentRule(_Strict):
    """Something callers say, and the answer.

    Parameters:
        name: Unique among intents and forms.
        patterns: Regular expressions on the normalised text; the first intent that matches wins.
        examples: Phrases; the most similar intent wins when no pattern matches.
        say: The answer.
        tool: Called instead, or after it.
        slots: What the tool takes from this very utterance.
        firm: Also holds in the middle of a form, before its answer is looked for.
        repeat: The answer is what was said last.
        leave: Gives up the open form.
        resume: The open form's question is asked again after the answer.
    """

    name: str
    patterns: tuple[Pattern, ...] = ()
    examples: tuple[str, ...] = ()
    say: Sentences = ()
    tool: str | None = None
    slots: tuple[str, ...] = ()
    firm: bool = False
    repeat: bool = False
    leave: bool = False
    resume: bool = True


class StepRule(_Strict):
    """One step of a form: collect slots, call a tool, or read back and wait for a yes."""

    collect: tuple[str, ...] = ()
    call: str | None = None
    confirm: str | None = None
    change: str = "What shall I change?"

    @model_validator(mode="after")
    def _is_one_thing(self) -> "StepRule":
        if sum(map(bool, (self.collect, self.call, self.confirm))) != 1:
            raise ValueError("a step has exactly one of collect, call, confirm")
        return self


class FormRule(_Strict):
    """A task: its steps are walked from the top after each thing the caller says.

    Parameters:
        name: Unique among intents and forms.
        patterns: What opens it, as in an intent.
        examples: Phrases that open it.
        starts_with: Opens it too, when the caller names at least two of these slots.
        steps: What to do, in order.
        left: Said when the caller gives it up.
    """

    name: str
    patterns: tuple[Pattern, ...] = ()
    examples: tuple[str, ...] = ()
    starts_with: tuple[str, ...] = ()
    steps: tuple[StepRule, ...]
    left: Sentences = ("All right, never mind.",)


class Rules(_Strict):
    """One conversation.

    Parameters:
        prompt_contains: The phrase in the prompt by which a request is known to be meant for it.
        greeting: Said when asked to begin.
        fallbacks: Said when the caller was not understood, once, twice, three times in a row.
        again: Said before a question that was not answered.
        anything_else: Said after a finished form.
        go_on: Said when the caller says yes to it.
        closing: Intent that answers a "no" to it.
        waiting: Said when asked to speak while a tool still works.
        unavailable: Said when a tool is not offered and has no sentence of its own.
        failed: Said for a result that no outcome fits.
        threshold: Similarity from which an example counts, 0 to 1.
        slots: By name.
        tools: By name.
        intents: In order.
        forms: In order.
    """

    prompt_contains: str = Field(min_length=3)
    greeting: str
    fallbacks: tuple[str, ...] = Field(min_length=1)
    again: str = "Sorry, I did not get that."
    anything_else: str = "Is there anything else I can do for you?"
    go_on: str = "Of course. What can I do for you?"
    closing: str | None = None
    waiting: str = "One moment, please."
    unavailable: str = "I'm sorry, I can't do that right now."
    failed: str = "I'm sorry, that did not work."
    threshold: float = Field(default=0.28, gt=0, lt=1)
    slots: dict[str, SlotRule] = {}
    tools: dict[str, ToolRule] = {}
    intents: tuple[IntentRule, ...] = ()
    forms: tuple[FormRule, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> "Rules":
        if problems := sorted(set(_unknown_names(self))):
            raise ValueError("; ".join(problems))
        return self

    def intent(self, name: str | None) -> IntentRule | None:
        """The intent of this name."""
        return next((intent for intent in self.intents if intent.name == name), None)


def load_rules(folder: Path) -> list[Rules]:
    """Read every ``*.rules.yaml`` of a folder, in the order of their names.

    Raises:
        RulesError: With every problem of every file.
    """
    found: list[Rules] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.rules.yaml")):
        try:
            found.append(Rules.model_validate(yaml.safe_load(path.read_text())))
        except yaml.YAMLError as error:
            problems.append(f"{path.name}: {error}")
        except ValidationError as error:
            for item in error.errors():
                where = ".".join(map(str, item["loc"]))
                problems.append(f"{path.name}: {where}: {item['msg']}")
    if problems:
        raise RulesError("\n".join(problems))
    return found


def _unknown_names(rules: Rules) -> Iterator[str]:
    for tool, rule in rules.tools.items():
        for outcome in rule.outcomes:
            for slot in (*outcome.forget, *outcome.offer):
                yield from _unknown("slot", slot, rules.slots, f"tools.{tool}")
    for intent in rules.intents:
        for slot in intent.slots:
            yield from _unknown("slot", slot, rules.slots, intent.name)
        yield from _unknown("tool", intent.tool, rules.tools, intent.name)
    for form in rules.forms:
        for slot in (*form.starts_with, *(name for step in form.steps for name in step.collect)):
            yield from _unknown("slot", slot, rules.slots, form.name)
        for step in form.steps:
            yield from _unknown("tool", step.call, rules.tools, form.name)
    names = {intent.name: intent for intent in rules.intents}
    yield from _unknown("intent", rules.closing, names, "closing")


def _unknown(kind: str, name: str | None, known: dict[str, Any], where: str) -> Iterator[str]:
    if name is not None and name not in known:
        yield f"{where}: {kind} {name!r} is not one of {', '.join(known) or 'none'}"
