"""Says what this machine lacks for the local stack: ``python -m local.check [--json]``."""

import argparse
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from local.models import missing, models_folder
from local.stack.ports import Ports

_NEEDED = {
    "aiortc": "data channels of the local exchange",
    "av": "audio coding of the local exchange",
    "cryptography": "certificates of the local exchange",
    "moonshine_voice": "local speech recognition",
    "OpenSSL": "DTLS of the local exchange",
    "pylibsrtp": "SRTP of the local exchange",
}
_EXTRA_REMEDY = "make install (or: pip install 'switchboard[local]')"


@dataclass(frozen=True)
class Problem:
    """One thing that has to change, in the words of whoever has to change it.

    Parameters:
        where: Part of the machine: ``models``, ``ports``, ``network``, ``packages``.
        key: What exactly: a file, a variable, a package.
        message: What is wrong.
        remedy: What to do.
    """

    where: str
    key: str
    message: str
    remedy: str


def local_problems(environ: Mapping[str, str], *, running: bool = False) -> list[Problem]:
    """Everything that would keep the local stack from running here.

    Args:
        environ: The environment: ports and the models folder.
        running: Leave the ports out, because the stack itself holds them.
    """
    problems = _package_problems() + _model_problems(environ) + _network_problems()
    return problems + ([] if running else _port_problems(environ))


def _package_problems() -> list[Problem]:
    problems = [
        Problem("packages", name, f"{name} is not installed ({what})", _EXTRA_REMEDY)
        for name, what in _NEEDED.items()
        if importlib.util.find_spec(name) is None
    ]
    if importlib.util.find_spec("piper") is None and not shutil.which("flite"):
        message = "neither piper-tts nor flite is installed: the local bot has no voice"
        problems.append(Problem("packages", "piper", message, f"{_EXTRA_REMEDY}, or install flite"))
    return problems


def _model_problems(environ: Mapping[str, str]) -> list[Problem]:
    folder = models_folder(environ)
    return [
        Problem(
            "models",
            file.path,
            f"{folder / file.path} is missing or damaged ({file.size / 1e6:.0f} MB)",
            "make models (or: python -m local.models); SWITCHBOARD_MODELS names another folder",
        )
        for file in missing(folder)
    ]


def _network_problems() -> list[Problem]:
    if not only_loopback():
        return []
    message = "no network interface but loopback: LiveKit's SDK cannot connect"
    return [Problem("network", "interface", message, ONLY_LOOPBACK_REMEDY)]


def _port_problems(environ: Mapping[str, str]) -> list[Problem]:
    try:
        ports = Ports.chosen(environ)
    except ValueError as error:
        return [Problem("ports", "SWITCHBOARD_*_PORT", str(error), "set it to a free port")]
    return [
        Problem("ports", str(number), f"port {number} for {what} is in use", port_remedy(role))
        for role, number, what in ports.in_use()
    ]


def port_remedy(role: str) -> str:
    """How to get out of the way of another process."""
    return (
        f"set SWITCHBOARD_{role.upper()}_PORT to a free port, move all of them with "
        "--port-base N, or stop what uses it (if it is a running switchboard: Ctrl-C there)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the problems; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m local.check", description=__doc__)
    parser.add_argument("--json", action="store_true", help="as a JSON list")
    parser.add_argument("--running", action="store_true", help="leave the ports out")
    options = parser.parse_args(arguments)
    problems = local_problems(os.environ, running=options.running)
    if options.json:
        print(json.dumps([asdict(problem) for problem in problems]))
    else:
        for problem in problems:
            print(f"{problem.where}: {problem.message}\n    {problem.remedy}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
