"""Was this phrase said? Recognised speech is never exact, so words are compared by likeness."""

import re
from difflib import SequenceMatcher

_VALUES = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
    "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17",
    "eighteen": "18", "nineteen": "19", "twenty": "20", "thirty": "30", "forty": "40",
    "fifty": "50",
}  # fmt: skip
_ALIKE = 0.78


def heard(phrase: str, text: str) -> bool:
    """Whether the text holds the phrase, or one of its alternatives separated by ``|``.

    Letters and words may differ a little (likeness of at least 0.78 over a window of the phrase's
    length), digits and number words count as the same.
    """
    words = _words(text)
    return any(_likeness(_words(choice), words) >= _ALIKE for choice in phrase.split("|"))


def _likeness(wanted: list[str], words: list[str]) -> float:
    """Best likeness of the wanted words to any window of about their number."""
    if not wanted:
        return 0.0
    target = " ".join(wanted)
    # A number that is off by a little is another number.
    digits = [word for word in wanted if word.isdigit()]
    best = 0.0
    for size in {max(1, len(wanted) - 1), len(wanted), len(wanted) + 1}:
        for start in range(max(1, len(words) - size + 1)):
            window = words[start : start + size]
            if all(digit in window for digit in digits):
                best = max(best, SequenceMatcher(None, target, " ".join(window)).ratio())
    return best


def _words(text: str) -> list[str]:
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text.lower()).replace("o'clock", "")
    text = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text).replace(":00", "")
    found = re.finditer(r"[a-z]+|\d+", text.replace("'", ""))
    return _joined([_VALUES.get(word.group(), word.group()) for word in found])


def _joined(words: list[str]) -> list[str]:
    """Twenty, one → 21."""
    joined: list[str] = []
    for word in words:
        tens = joined and joined[-1] in ("20", "30", "40", "50")
        if tens and word.isdigit() and 0 < int(word) < 10:
            joined[-1] = str(int(joined[-1]) + int(word))
        else:
            joined.append(word)
    return joined
