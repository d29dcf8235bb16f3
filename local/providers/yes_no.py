"""Hears a yes, a no or nothing at all, also through a recogniser's mistakes."""

import re

_LEAD = r"^(?:uh |um |oh |well |and |so )*"
_YES = re.compile(
    _LEAD + r"(?:yes|yeah|yep|yup|yea|ya|yet that's|correct|right|sure|exactly|absolutely|"
    r"definitely|certainly|ok|okay|alright|all right|fine|perfect|great|wonderful|lovely|good|"
    r"of course|please(?: do)?|go ahead|do (?:it|that)|book it|i (?:do|would|am)|works? for me|"
    r"sounds? (?:good|great|fine|perfect)|(?:that's|that is|it's|that|that'll|that will) "
    r"(?:be |sounds? |works?|does|right|correct|fine|great|good|perfect|it|ok|okay))\b"
)
_NO = re.compile(
    _LEAD + r"(?:no|nope|nah|nothing|none|neither|wrong|incorrect|actually no|don't|"
    r"not (?:really|quite|yet|right|that|at all)|that's (?:not|wrong|all|everything)|"
    r"that is (?:not|wrong|all|everything)|that was (?:all|everything)|that'll be all|"
    r"that will be all|i'm (?:good|fine|all set)|i am (?:good|fine))\b"
)
_SCRAP = re.compile(r"^(?:(?:please|uh|um|oh|well|and|so|i|you|the|a|but|then)\b ?)+$")
_KNOW = re.compile(r"^know(?: \w+){0,2}$")


def is_no(text: str) -> bool:
    """Whether normalised text is a no; "know" alone is one too."""
    return bool(_NO.search(text) or _KNOW.search(text))


def is_yes(text: str) -> bool:
    """Whether normalised text is a yes."""
    return bool(_YES.search(text)) and not is_no(text)


def is_scrap(text: str) -> bool:
    """Whether normalised text is what is left of a sentence cut at a pause: "please", "I"."""
    return bool(_SCRAP.match(text))
