"""Understands what a person at the desk says: yes, no, or that it is a machine."""

import re
from typing import Literal

Verdict = Literal["accept", "decline", "machine"]

# What people say back is short; a speech with a "yes" in it is no answer.
LONGEST_ANSWER_WORDS = 12

_MACHINE = re.compile(
    r"\b(leave|record)\b.{0,20}\bmessage\b|\b(after|at) the (tone|beep|signal)\b|\bvoice ?mail\b"
    r"|\bmail ?box\b|\byou have reached\b|\byou've reached\b|\bcan(no|')t (come|get) to the phone\b"
    r"|\bnach dem (ton|signal|piep)\b|\bhinterlassen sie\b|\banrufbeantworter\b"
)
_DECLINE = re.compile(
    r"\b(no|nope|nah|not|can't|cannot|don't|busy|decline|later|reject|two)\b"
    r"|\b(nein|nicht|ne|später|zwei|ablehnen|besetzt)\b"
)
_ACCEPT = re.compile(
    r"\b(yes|yeah|yep|yup|sure|ok|okay|accept|connect|absolutely|certainly|of course|go ahead"
    r"|all right|alright|please do|one)\b|\b(put|send|patch) (him|her|them|it|the caller)\b"
    r"|\bi('ll| will) take\b|\b(ja|gern|gerne|klar|annehmen|eins|verbinden|natürlich)\b"
)


def verdict_of(text: str) -> Verdict | None:
    """What an utterance means; None when it means nothing for the call."""
    said = re.sub(r"[^\w' ]+", " ", text.lower().replace("’", "'"))
    if _MACHINE.search(said):
        return "machine"
    if len(said.split()) > LONGEST_ANSWER_WORDS:
        return None
    if _DECLINE.search(said):
        return "decline"
    return "accept" if _ACCEPT.search(said) else None
