"""Finds the name a caller gives; it is taken as heard, so read it back."""

import re

from local.providers.found import Found
from local.providers.normalise import words_only

_WORD = r"[a-z][a-z'\-]*"
_LETTERS = rf"({_WORD}(?: {_WORD}){{0,8}})"
_SURE = (
    rf"\b(?:my|the|last|first|full) name(?: is|'s| would be) {_LETTERS}",
    rf"\bname's {_LETTERS}",
    rf"\b(?:under|on|in) the name(?: of)? {_LETTERS}",
    rf"\bunder {_LETTERS}",
    rf"\bcall me {_LETTERS}",
    rf"\bthis is {_LETTERS}",
    rf"\bthe ({_WORD}) family\b",
)
_ASKED = (rf"\b(?:it's|it is|i'm|i am|that's|that would be|that'd be|that is|for) {_LETTERS}",)
# Words that end a name, or show that there is none.
_STOP_WORDS = """
a about and any at because book but by can could do does for from have how i i'd i'll i'm i've
in is it it's just like me my no not of ok okay on one or people please really right say so
sorry table tell thank thanks that that's the then there they this to today tomorrow tonight uh
um was we what what's when where which who will with would yeah yep yes you your monday tuesday
wednesday thursday friday saturday sunday
"""
_STOP = set(_STOP_WORDS.split())
_FILLERS = {
    "uh",
    "um",
    "yes",
    "yeah",
    "sure",
    "well",
    "so",
    "okay",
    "ok",
    "oh",
    "er",
    "hi",
    "hello",
}
_MOST_WORDS = 4


def find_name(text: str, *, asked: bool) -> Found[str] | None:
    """A name in the words as written.

    Args:
        text: What was said.
        asked: The name was asked for, so that nothing but a few words is one.
    """
    words = words_only(text)
    for pattern in _SURE + (_ASKED if asked else ()):
        for match in re.finditer(pattern, words):
            if name := _name(match[1].split()):
                return Found(name, match.span(1))
    if not asked:
        return None
    told = words.split()
    while told and told[0] in _FILLERS:
        told = told[1:]
    while told and told[-1] in ("please", "thanks"):
        told = told[:-1]
    spelt = all(len(word) == 1 for word in told)
    if not spelt and (len(told) > _MOST_WORDS or _STOP & set(told)):
        return None
    whole = _name(told)
    return Found(whole, (0, len(words))) if whole else None


def _name(words: list[str]) -> str | None:
    """The words up to the first that is no name; letters said one by one are joined."""
    taken: list[str] = []
    for word in words:
        if word in _STOP and not (len(word) == 1 and len(taken) and len(taken[-1]) == 1):
            break
        taken += [letter for letter in word.split("-") if letter] if _spelt(word) else [word]
    letters = [word for word in taken if len(word) == 1]
    if len(letters) >= 3:
        return "".join(letters).title()
    taken = [word for word in taken if re.fullmatch(_WORD, word)][:_MOST_WORDS]
    return " ".join(word.title() for word in taken).replace("'S", "'s") or None


def _spelt(word: str) -> bool:
    return bool(re.fullmatch(r"[a-z](?:-[a-z])+", word))
