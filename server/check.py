"""``switchboard check``: every problem at once, each with its remedy."""

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict

from pydantic import ValidationError

from server.livekit_access import LiveKitAccess
from server.livekit_check import livekit_problems
from server.local_programs import local_problems
from server.logs import set_up_logs
from server.setting_problems import invalid_settings, missing_settings, unknown_settings
from server.settings import Settings, load_settings
from services.problem import Problem


def check(*, as_json: bool) -> int:
    """Prints the problems; 1 if there are any."""
    problems = all_problems()
    if as_json:
        print(json.dumps([asdict(problem) for problem in problems], indent=2))
    elif not problems:
        print("no problems")
    else:
        for problem in problems:
            place = f"{problem.where}: {problem.key}" if problem.key else problem.where
            print(f"{place}: {problem.message}\n    {problem.remedy}")
        count = len(problems)
        print(f"{count} problem{'s' if count > 1 else ''}", file=sys.stderr)
    return 1 if problems else 0


def all_problems() -> list[Problem]:
    """Problems of the environment, of bots and flows, and of this machine."""
    try:
        settings = load_settings()
    except ValidationError as error:
        return [*invalid_settings(error), *local_problems()]
    up = (settings.data / "up.json").exists()
    missing = list(missing_settings(settings))
    problems = [*missing, *unknown_settings(settings), *_bot_problems(settings)]
    if not any(problem.key.startswith("LIVEKIT_") for problem in missing):
        problems += livekit_problems(LiveKitAccess.all_of(settings))
    if not up:
        problems += _port_problems(settings)
    known = {(problem.where, problem.key) for problem in problems}
    local = local_problems(["--running"] if up else [])
    return [*problems, *(p for p in local if (p.where, p.key) not in known)]


def _port_problems(settings: Settings) -> Iterator[Problem]:
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.api_host, settings.api_port))
        except OSError as error:
            port = str(settings.api_port)
            message = f"the API cannot listen on {settings.api_host} port {port}: {error.strerror}"
            remedy = "stop what uses it, or set SWITCHBOARD_API_PORT or SWITCHBOARD_API_HOST"
            yield Problem("ports", port, message, remedy)


def _bot_problems(settings: Settings) -> list[Problem]:
    set_up_logs(settings.log, "WARNING")  # before the libraries greet at import
    from bots.loading import load_bots
    from server.preload import providers_of

    return list(load_bots(settings.bots, settings.flows, providers_of(settings)).problems)
