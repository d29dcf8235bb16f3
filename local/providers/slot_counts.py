"""Finds how many people a caller means, and digits said one by one."""

import re

from local.providers.found import Found, first_match

# What a recogniser makes of a lone number word.
_SOUNDS_LIKE = {
    "won": 1, "to": 2, "too": 2, "tree": 3, "free": 3, "for": 4, "fore": 4, "sex": 6, "sicks": 6,
    "ate": 8, "tan": 10,
}  # fmt: skip
_FAMILY = r"\b(?:me and my|my (?:wife|husband|partner|girlfriend|boyfriend|friend|mother|father))\b"
_PEOPLE = r"(?:people|persons?|guests?|of us|adults?|seats?|pax|diners?)"
_TIMES = {"double": 2, "triple": 3}


def find_count(text: str, *, asked: bool) -> Found[int] | None:
    """The number of people named in normalised text.

    Args:
        text: What was said, without the day and the time.
        asked: The number was asked for, so that a bare number, or a word like one, is it.
    """
    match = first_match(
        text,
        rf"\b(\d{{1,2}}) (?:more )?{_PEOPLE}(?: and (\d{{1,2}}) (?:children|kids|babies))?",
        r"\b(?:party|group|table|reservation|booking|make it|we are|we're|there (?:are|will be)|"
        r"there'll be) (?:of |for |to |too )?(?:about )?(\d{1,2})\b",
        r"\bfor (\d{1,2})\b",
    )
    if match:
        return Found(sum(int(group) for group in match.groups() if group), match.span())
    if match := re.search(
        r"\b(?:table|party|reservation|book) (?:for|of) (for|fore|to|too)\b", text
    ):
        return Found(_SOUNDS_LIKE[match[1]], match.span())
    if match := re.search(r"\b(?:just|only) (?:for )?(?:me|myself|one)\b|\bby myself\b", text):
        return Found(1, match.span())
    if match := first_match(text, _FAMILY, r"\b(?:the )?both of us\b", r"\ba couple\b"):
        return Found(2, match.span())
    return _bare(text) if asked else None


def _bare(text: str) -> Found[int] | None:
    if match := re.search(r"\b(\d{1,2})\b(?!:)", text):
        return Found(int(match[1]), match.span())
    words = [word for word in text.split() if word not in ("|", "please", "it's", "of", "uh", "um")]
    if words and len(words) <= 3 and words[-1] in _SOUNDS_LIKE:
        start = text.rindex(words[-1])
        return Found(_SOUNDS_LIKE[words[-1]], (start, start + len(words[-1])))
    return None


def find_digits(text: str) -> Found[str] | None:
    """Four digits or more, said in any grouping; "oh" is 0, "double five" is 55."""
    text = re.sub(r"\b(?:oh|o)\b", "0", text)
    for word, times in _TIMES.items():
        text = re.sub(rf"\b{word} (\d)\b", lambda m, n=times: " ".join(m[1] * n), text)
    match = re.search(r"\d(?:[\d \-]*\d)", text)
    digits = re.sub(r"\D", "", match[0]) if match else ""
    return Found(digits, match.span()) if match and len(digits) >= 4 else None
