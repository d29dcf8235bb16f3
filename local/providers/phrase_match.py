"""Which of many example phrases an utterance is most like: TF-IDF over words and letters."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.providers.normalise import normalise

_GRAM = 4


@dataclass(frozen=True)
class Likeness:
    """The most similar name.

    Parameters:
        name: Whose example it was.
        score: Cosine similarity, 0 to 1.
        margin: How much better than the best example of any other name.
    """

    name: str
    score: float
    margin: float


class PhraseMatcher:
    """Compares words, pairs of words and runs of four letters, so one misheard word is little."""

    def __init__(self, examples: Mapping[str, Sequence[str]]):
        """Learn the examples of each name."""
        counted = [
            (name, _features(normalise(phrase)))
            for name, phrases in examples.items()
            for phrase in phrases
        ]
        seen = Counter(feature for _, features in counted for feature in features)
        self._rarity = {f: math.log((1 + len(counted)) / (1 + n)) + 1 for f, n in seen.items()}
        self._unseen = math.log(1 + len(counted)) + 1
        self._examples = [(name, self._weigh(features)) for name, features in counted]

    def best(self, text: str) -> Likeness | None:
        """The most similar name for a normalised text; None without examples or words."""
        weights = self._weigh(_features(text))
        scores: dict[str, float] = {}
        for name, example in self._examples:
            score = sum(weight * weights.get(feature, 0.0) for feature, weight in example.items())
            scores[name] = max(score, scores.get(name, 0.0))
        if not scores:
            return None
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        return Likeness(ranked[0][0], ranked[0][1], ranked[0][1] - second)

    def _weigh(self, features: Counter[str]) -> dict[str, float]:
        weights = {f: n * self._rarity.get(f, self._unseen) for f, n in features.items()}
        length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {feature: weight / length for feature, weight in weights.items()}


def _features(text: str) -> Counter[str]:
    words = text.split()
    padded = f" {text} "
    return Counter(
        words
        + [f"{first} {second}" for first, second in zip(words, words[1:], strict=False)]
        + [f"#{padded[at : at + _GRAM]}" for at in range(len(padded) - _GRAM + 1)]
    )
