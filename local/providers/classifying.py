"""Answers Pipecat's classifier by rules: did a person answer the phone, or a machine?

Source: pipecat classifiers/llm/classifier.py, whose system message asks for one JSON object.
"""

import json
import re
from typing import Any

ASKED_BY = "You are a classifier."
_MACHINE = re.compile(
    r"""you(\s+have|'ve)\s+reached
    | \b(leave|record)\b.{0,30}\b(message|name|number)\b
    | \b(after|at)\s+the\s+(tone|beep)
    | \b(voice\s?mail|mailbox|answering\s+machine)\b
    | \bnot\s+(available|in\s+service|able\s+to\s+(take|come|answer))
    | \b(can't|cannot|can\s+not|unable\s+to)\s+(come|take|answer|get)\b
    | \b(i'll|i\s+will|we'll|we\s+will)\s+(call|get|ring|phone)\b.{0,12}\bback\b
    | \boffice\s+is\s+(currently\s+)?closed\b
    | \b(away|step?ped\s+away)\s+from\s+(the|my)\s+(phone|desk)\b
    | \bnumber\s+you\s+(have\s+)?(dialled|dialed|called)\b
    | \b(record|your)\s+(your\s+)?message\b
    | \bcircuits\s+are\s+busy\b""",
    re.IGNORECASE | re.VERBOSE,
)
_INPUT = re.compile(r"Input:\n(?P<said>.*?)\n\nQuestion ", re.DOTALL)
_NAME = re.compile(r'Question "(?P<name>[^"]+)"')


def is_classification(conversation: list[dict[str, Any]]) -> bool:
    """Whether a request is Pipecat's classifier and no conversation."""
    return any(
        message.get("role") in ("system", "developer")
        and str(message.get("content", "")).startswith(ASKED_BY)
        for message in conversation
    )


def classified(conversation: list[dict[str, Any]]) -> str:
    """The JSON object: ``conversation`` or ``voicemail`` for each question that is asked."""
    asked = str(conversation[-1].get("content", ""))
    found = _INPUT.search(asked)
    choice = "voicemail" if found and is_machine(found["said"]) else "conversation"
    other = "conversation" if choice == "voicemail" else "voicemail"
    answer = {"choice": choice, "probabilities": {choice: 0.95, other: 0.05}}
    return json.dumps(dict.fromkeys(_NAME.findall(asked), answer))


def is_machine(said: str) -> bool:
    """Whether these are the words of an answering machine or of the network."""
    return bool(_MACHINE.search(said.replace("\u2019", "'")))
