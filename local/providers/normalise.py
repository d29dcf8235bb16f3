"""Brings what a recogniser wrote into one form: small letters, no punctuation, digits."""

import re

_UNIT_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINAL_WORDS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_UNITS, _TENS, _ORDINALS = _UNIT_WORDS.split(), _TEN_WORDS.split(), _ORDINAL_WORDS.split()
_NUMBERS = {word: n for n, word in enumerate(_UNITS)} | {
    word: (n + 2) * 10 for n, word in enumerate(_TENS)
}
_NTHS = {word: n for n, word in enumerate(_ORDINALS)} | {
    word[:-1] + "ieth": (n + 2) * 10 for n, word in enumerate(_TENS)
}


def normalise(text: str) -> str:
    """Lower case, number words as digits, ``7pm``, ``7:30``; other punctuation is dropped."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"(\d)[.](\d\d)\b", r"\1:\2", text)
    text = re.sub(r"\bo['` ]?clock\b", "oclock", text)
    text = re.sub(r"(?<!\d)[^\w']+|[^\w:']+|:(?!\d\d)", " ", text)
    text = _digits(text)
    # "p.m." is also heard as "p. f." and "p. n.".
    text = re.sub(r"(\d) ?([ap]) ?[mnf]\b", r"\1\2m", text)
    return re.sub(r"\s+", " ", text).strip()


def words_only(text: str) -> str:
    """Like `normalise`, but numbers stay as they were written; for names."""
    return re.sub(r"\s+", " ", re.sub(r"[^\w'\- ]+", " ", text.lower().replace("’", "'"))).strip()


def _digits(text: str) -> str:
    """Number words → digits: "twenty seven" → 27, "the twenty seventh" → the 27th."""
    out: list[str] = []
    tens = 0
    for word in text.split():
        value = _NUMBERS.get(word)
        nth = _NTHS.get(word)
        if tens and value is not None and 0 < value < 10:
            out[-1] = str(tens + value)
        elif tens and nth is not None and 0 < nth < 10:
            out[-1] = _ordinal(tens + nth)
        elif value is not None:
            out.append(str(value))
        elif nth is not None:
            out.append(_ordinal(nth))
        else:
            out.append(word)
        tens = value if value is not None and value >= 20 and value % 10 == 0 else 0
    return " ".join(out)


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"
