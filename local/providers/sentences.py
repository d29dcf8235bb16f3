"""Cuts text into sentences, and long sentences into clauses."""

import re

_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[A-Z0-9])")
_CLAUSE = re.compile(r"(?<=[,;:])\s+|\s+(?=[-–—]\s)")
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|St|No|vs|[ap]\.m|e\.g|i\.e)\.$", re.I)
# A sentence and the beginning of what follows it; a clause of at least three words likewise.
_SENTENCE_READY = re.compile(r"^(.*?[.!?][\"')\]]*)\s+(?=\S)", re.S)
_CLAUSE_READY = re.compile(r"^((?:\S+\s+){2,}\S*[,;:])\s+(?=\S)", re.S)
_MIN_WORDS = 3
_LONG_WORDS = 8


def split_sentences(text: str) -> list[str]:
    """Sentences, not cut after common abbreviations."""
    parts: list[str] = []
    for part in _SENTENCE.split(text.strip()):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] += " " + part
        elif part:
            parts.append(part)
    return parts


def split_clauses(sentence: str) -> list[str]:
    """Pieces of a long sentence at clause marks, none too short to sound natural."""
    if len(sentence.split()) <= _LONG_WORDS:
        return [sentence]
    parts: list[str] = []
    for piece in _CLAUSE.split(sentence):
        if parts and min(len(parts[-1].split()), len(piece.split())) < _MIN_WORDS:
            parts[-1] += " " + piece
        else:
            parts.append(piece)
    return parts


def take_ready(buffer: str, *, clauses: bool) -> tuple[str, str]:
    """The first sentence that is surely complete (or clause, if asked), and the rest."""
    match = _SENTENCE_READY.match(buffer) or (_CLAUSE_READY.match(buffer) if clauses else None)
    return (match.group(1), buffer[match.end() :]) if match else ("", buffer)
