"""``switchboard tape FILE.wav``: what a recording shows."""

import sys
from pathlib import Path

from records.tape import tape_report
from records.tape_table import to_json, to_text
from records.wav import TapeError


def tape(path: Path, *, as_json: bool) -> int:
    """Prints the measures; 1 when the file cannot be measured."""
    try:
        report = tape_report(path)
    except TapeError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1
    print(to_json(report) if as_json else "\n".join(to_text(report)))
    return 0
