"""Which intent or form an utterance means: hard patterns first, similar phrases second."""

import re

from local.providers.phrase_match import PhraseMatcher
from local.providers.rules import FormRule, IntentRule, Rules

_MARGIN = 0.02
# An answer to an open question is likelier than a new subject.
_IN_FORM_BIAS = 0.12


class Understanding:
    """Reads one utterance at a time."""

    def __init__(self, rules: Rules, matcher: PhraseMatcher):
        """Initialize with the rules and a matcher that has learnt their examples."""
        self._rules = rules
        self._matcher = matcher

    @staticmethod
    def matcher(rules: Rules) -> PhraseMatcher:
        """A matcher that knows the examples of these rules."""
        return PhraseMatcher({item.name: item.examples for item in (*rules.intents, *rules.forms)})

    def intent_by_pattern(self, text: str) -> IntentRule | None:
        """The first intent with a pattern that matches normalised text."""
        return next((intent for intent in self._rules.intents if _matches(intent, text)), None)

    def form_by_pattern(self, text: str) -> FormRule | None:
        """The first form with a pattern that matches normalised text."""
        return next((form for form in self._rules.forms if _matches(form, text)), None)

    def similar(self, text: str, *, in_form: bool = False) -> IntentRule | FormRule | None:
        """The intent or form with the most similar example, if it is similar enough."""
        best = self._matcher.best(text)
        needed = self._rules.threshold + (_IN_FORM_BIAS if in_form else 0.0)
        if best is None or best.score < needed or best.margin < _MARGIN:
            return None
        items = (*self._rules.intents, *self._rules.forms)
        return next(item for item in items if item.name == best.name)


def _matches(item: IntentRule | FormRule, text: str) -> bool:
    return any(re.search(pattern, text) for pattern in item.patterns)
