"""Finds the stack that is up."""

import json
from collections.abc import Mapping
from pathlib import Path

from local.stack.child import StackError
from local.stack.stack import StackAddress


def running_address(environ: Mapping[str, str]) -> StackAddress:
    """The addresses in ``up.json``.

    Raises:
        StackError: If no stack is up; says how to start one.
    """
    path = Path(environ.get("SWITCHBOARD_DATA") or ".switchboard") / "up.json"
    try:
        return StackAddress(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise StackError("not_up", f"{path} is not there.", "Start switchboard up.") from error
    except (TypeError, ValueError) as error:
        raise StackError("not_up", f"{path} cannot be read.", "Start switchboard up.") from error
