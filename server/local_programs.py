"""Starts the programs of the package ``local``, which the product never imports."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from services.problem import Problem

CHECK_SECS = 60.0
# Present in every installation of the extra, absent without it.
EXTRA_MARKER = "aiortc"


def run_local(module: str, arguments: Sequence[str]) -> int:
    """Becomes ``python -m module``, so that signals and the exit status are its own.

    Returns:
        1 with a sentence on stderr, when the local stand-ins are not installed.
    """
    if not _installed(module):
        print(
            "switchboard: the local stand-ins are not installed; "
            "run `make install` or `pip install 'switchboard[local]'`",
            file=sys.stderr,
        )
        return 1
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def local_problems(arguments: Sequence[str] = ()) -> list[Problem]:
    """What ``python -m local.check`` finds on this machine; nothing when it is not installed."""
    if not _installed("local.check"):
        return []  # a production server has no need of them
    command = [sys.executable, "-m", "local.check", "--json", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECS)
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError, OSError) as error:
        message = f"the local stand-ins cannot be checked: {type(error).__name__}"
        return [Problem("local", "", message, "run `python -m local.check` to see why")]
    return [Problem(p["where"], p["key"], p["message"], p["remedy"]) for p in found]


def _installed(module: str) -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in (EXTRA_MARKER, module))
    except ModuleNotFoundError:
        return False
