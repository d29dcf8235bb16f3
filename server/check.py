"""``switchboard check``: every problem at once, each with its remedy."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from pydantic import ValidationError

from server.local_programs import local_problems
from server.logs import set_up_logs
from server.settings import PREFIX, Settings, load_settings
from services.problem import Problem

ENVIRONMENT = "environment"


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
        return [*_invalid(error), *local_problems()]
    up = (settings.data / "up.json").exists()
    return [
        *_setting_problems(settings),
        *_bot_problems(settings),
        *local_problems(["--running"] if up else []),
    ]


def _invalid(error: ValidationError) -> Iterator[Problem]:
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]).upper()
        name = name if name.startswith((PREFIX, "LIVEKIT_")) else PREFIX + name
        yield Problem(ENVIRONMENT, name, problem["msg"], "correct it in the environment or .env")


def _setting_problems(settings: Settings) -> Iterator[Problem]:
    needed = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
    }
    remedy = "set it in the environment or .env; `switchboard up` brings a LiveKit of its own"
    for name, value in needed.items():
        if not value:
            yield Problem(ENVIRONMENT, name, "is not set: `switchboard serve` needs it", remedy)
    url = settings.livekit_url
    if url and not url.startswith(("ws://", "wss://", "http://", "https://")):
        message = f"{url!r} is not a LiveKit address"
        yield Problem(ENVIRONMENT, "LIVEKIT_URL", message, "write ws://HOST:PORT or wss://HOST")
    if not settings.on_loopback and not settings.api_key.get_secret_value():
        name, host = PREFIX + "API_KEY", settings.api_host
        message = f"is not set, and the API listens on {host}, which others can reach"
        yield Problem(ENVIRONMENT, name, message, "set it: `openssl rand -hex 24` makes one")
    for name in settings.unknown_names:
        yield Problem(ENVIRONMENT, name, "is not a setting", _meant(name))


def _meant(name: str) -> str:
    from difflib import get_close_matches

    known = [PREFIX + field.upper() for field in Settings.model_fields]
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"unset it; known are {', '.join(known)}"


def _bot_problems(settings: Settings) -> list[Problem]:
    set_up_logs(settings.log, "WARNING")  # before the libraries greet at import
    from bots.bot import load_bots
    from server.preload import providers_of

    return list(load_bots(settings.bots, settings.flows, providers_of(settings)).problems)
