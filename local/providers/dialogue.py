"""One conversation by rules: hears what the caller says, learns what tools return, answers."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from local.providers.dialogue_state import CHANGE, CONFIRM, ELSE, DialogueState
from local.providers.message_history import ToolUse
from local.providers.normalise import normalise
from local.providers.openai_messages import Answer
from local.providers.phrase_match import PhraseMatcher
from local.providers.rules import FormRule, IntentRule, Rules
from local.providers.slot_finder import SlotContext, SlotFinder
from local.providers.templates import spoken, understood
from local.providers.tool_calls import arguments_for, fitted, outcome_of
from local.providers.understanding import Understanding
from local.providers.yes_no import is_no, is_scrap, is_yes


class Dialogue:
    """Holds the state while the messages of one request are replayed."""

    def __init__(self, rules: Rules, matcher: PhraseMatcher, today: date):
        """Begin at the first message."""
        self._rules = rules
        self._today = today
        self._state = DialogueState()
        self._finder = SlotFinder(rules.slots, today)
        self._understanding = Understanding(rules, matcher)
        self._offered: Mapping[str, dict[str, Any]] = {}
        self._running: list[ToolUse] = []

    def begin(self) -> Answer:
        """Nobody has said anything yet."""
        return self._say(self._rules.greeting)

    def hear(self, said: str, offered: Mapping[str, dict[str, Any]]) -> Answer:
        """What to do about something the caller said; ``offered``: tools by name."""
        self._offered = offered
        text = normalise(said)
        intent = self._understanding.intent_by_pattern(text)
        if intent and intent.firm:
            return self._follow(intent, said)
        if self._state.form:
            return self._in_form(self._state.form, said, text, intent)
        return self._outside(said, text, intent)

    def learn(self, use: ToolUse, offered: Mapping[str, dict[str, Any]]) -> Answer:
        """What to do about a tool's result; without one yet, say so."""
        self._offered = offered
        state, rule = self._state, self._rules.tools.get(use.name)
        if use.result is None:
            self._running.append(use)
            return Answer(self._rules.waiting)
        outcome = outcome_of(rule, use.result) if rule else None
        values = state.slots | {name: understood(v) for name, v in use.result.items()}
        in_form = bool(state.form) and any(s.call == use.name for s in state.form.steps)
        if outcome is None:
            said = str(use.result.get("say") or self._rules.failed)
            return self._finish(said) if in_form else self._resume(said)
        said = spoken(state.pick(outcome.say), values, self._today)
        if not in_form:
            return self._resume(said)
        for slot in outcome.forget:
            state.slots.pop(slot, None)
        state.offered = {slot: values.get(name) or [] for slot, name in outcome.offer.items()}
        if outcome.done:
            return self._finish(said)
        if outcome.forget:
            state.confirmed = None
            asked = self._advance()
            return self._say(said) if "?" in said else self._join(said, asked)
        state.settled[use.name] = {name: str(value) for name, value in use.arguments.items()}
        return self._join(said, self._advance())

    # -- what the caller said -----------------------------------------------------------------

    def _outside(self, said: str, text: str, intent: IntentRule | None) -> Answer:
        state = self._state
        if is_scrap(text):
            return self._again()
        closing = self._rules.intent(self._rules.closing)
        form = self._understanding.form_by_pattern(text)
        if form:
            return self._open(form, said)
        if state.question == ELSE and closing and is_no(text):
            return self._follow(closing, said)
        if intent:
            return self._follow(intent, said)
        if state.question == ELSE and is_yes(text):
            state.question = None
            return self._say(self._rules.go_on)
        for form in self._rules.forms:
            if len(self._finder.find(said, form.starts_with, SlotContext())) >= 2:
                return self._open(form, said)
        similar = self._understanding.similar(text)
        if isinstance(similar, FormRule):
            return self._open(similar, said)
        return self._follow(similar, said) if similar else self._miss()

    def _in_form(self, form: FormRule, said: str, text: str, intent: IntentRule | None) -> Answer:
        state = self._state
        other = self._understanding.form_by_pattern(text)
        if other and other is not form:
            return self._open(other, said)
        values = self._values(said, intent)
        new = {name: value for name, value in values.items() if state.slots.get(name) != value}
        if intent and intent.slots and other is not form:
            new, values = {}, {}  # "are you open on Sunday" moves no reservation
        if new:
            state.slots |= new
            state.misses = 0
            answered = intent.say if intent and not intent.tool else ()
            return self._join(state.pick(answered), self._advance())
        if not intent and (answer := self._yes_or_no(text)):
            state.misses = 0
            return answer
        if is_scrap(text):
            return self._again()
        similar = intent or self._understanding.similar(text, in_form=True)
        if isinstance(similar, IntentRule):
            return self._follow(similar, said)
        return self._join("", self._advance()) if values else self._miss()

    def _values(self, said: str, intent: IntentRule | None) -> dict[str, Any]:
        state = self._state
        asked = state.question if state.question in self._rules.slots else None
        context = SlotContext(asked, state.offered, plain_names=intent is None)
        return self._finder.find(said, state.form_slots, context)

    def _yes_or_no(self, text: str) -> Answer | None:
        """The answer to a yes or a no, where the open question can have one."""
        state, slot = self._state, self._rules.slots.get(self._state.question or "")
        if state.question == CONFIRM and is_yes(text):
            state.confirmed = dict(state.slots)
            return self._advance()
        if state.question == CONFIRM and is_no(text):
            state.question = CHANGE
            return self._say(self._confirm_step().change)
        if state.question == CHANGE and is_no(text):
            return self._leave()
        offered = state.offered.get(state.question or "") or []
        if not slot or not offered:
            return None
        if is_no(text):
            state.offered.pop(state.question or "")
            return self._say(state.pick(slot.declined or slot.ask))
        if is_yes(text) and len(offered) == 1 and state.question:
            state.slots[state.question] = offered[0]
            return self._advance()
        if is_yes(text):
            return self._say(spoken(slot.choose, {"offered": offered}, self._today))
        return None

    def _follow(self, intent: IntentRule, said: str) -> Answer:
        """Answer an intent; an open form stays open, and its question is asked again."""
        state = self._state
        state.misses = 0
        if intent.repeat:
            return self._again()
        if intent.leave and state.form:
            return self._leave()
        text = spoken(state.pick(intent.say), state.slots, self._today)
        if not intent.tool:
            return self._say(text) if state.form and not intent.resume else self._resume(text)
        found = self._finder.find(said, intent.slots, SlotContext())
        call = self._call(intent.tool, found)
        return self._say(call.text or text, call) if call.tool else self._say(text or call.text)

    def _again(self) -> Answer:
        return Answer(self._state.last or self._rules.greeting)

    def _miss(self) -> Answer:
        state, lines = self._state, self._rules.fallbacks
        state.misses += 1
        if state.form and state.misses < len(lines):
            return self._join(self._rules.again, self._advance())
        return self._say(lines[min(state.misses, len(lines)) - 1])

    # -- the open form ------------------------------------------------------------------------

    def _open(self, form: FormRule, said: str) -> Answer:
        state = self._state
        state.open(form)
        state.misses = 0
        state.slots |= self._finder.find(said, state.form_slots, SlotContext())
        return self._advance()

    def _advance(self) -> Answer:
        """Walk the form's steps to the first that is not done."""
        state = self._state
        for step in state.form.steps if state.form else ():
            missing = next((name for name in step.collect if name not in state.slots), None)
            if missing:
                state.question = missing
                return self._say(state.pick(self._rules.slots[missing].ask))
            if step.confirm and state.confirmed != state.slots:
                state.question = CONFIRM
                return self._say(spoken(step.confirm, state.slots, self._today))
            if step.call and not self._is_settled(step.call):
                call = self._call(step.call, state.slots)
                return self._say(call.text, call) if call.tool else self._finish(call.text)
        return self._finish("")

    def _call(self, tool: str, values: Mapping[str, Any]) -> Answer:
        """A call of a tool, or the sentence that it cannot be called."""
        rule = self._rules.tools[tool]
        if tool not in self._offered:
            return Answer(self._state.pick(rule.missing) or self._rules.unavailable)
        arguments = fitted(self._arguments(tool, values), self._offered[tool])
        if any(use.name == tool and use.arguments == arguments for use in self._running):
            return Answer(self._rules.waiting)
        return Answer(self._state.pick(rule.say), tool, arguments)

    def _arguments(self, tool: str, values: Mapping[str, Any]) -> dict[str, str]:
        known = {"today": self._today, **values}
        return arguments_for(self._rules.tools[tool], known, set(values))

    def _is_settled(self, tool: str) -> bool:
        settled = self._state.settled.get(tool)
        if settled is None:
            return False
        asked = self._arguments(tool, self._state.slots)
        return all(settled[name] == asked.get(name) for name in settled)

    def _confirm_step(self):
        assert self._state.form
        return next(step for step in self._state.form.steps if step.confirm)

    def _leave(self) -> Answer:
        assert self._state.form
        return self._finish(self._state.pick(self._state.form.left))

    def _finish(self, said: str) -> Answer:
        self._state.close()
        self._state.question = ELSE
        return self._say(f"{said} {self._rules.anything_else}".strip())

    # -- what to say --------------------------------------------------------------------------

    def _resume(self, said: str) -> Answer:
        """Say something, then go on where the form was."""
        if self._state.form:
            return self._join(said, self._advance())
        self._state.question = ELSE
        return self._say(said)

    def _join(self, said: str, answer: Answer) -> Answer:
        return self._say(f"{said} {answer.text}".strip(), answer)

    def _say(self, text: str, call: Answer | None = None) -> Answer:
        self._state.last = text or self._state.last
        return Answer(text, call.tool, call.arguments) if call else Answer(text)
