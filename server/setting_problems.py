"""What is wrong with the settings, and what to do about it."""

from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import ValidationError

from server.livekit_access import LiveKitAccess
from server.settings import PREFIX, Settings, known_names
from services.problem import Problem

ENVIRONMENT = "environment"


def invalid_settings(error: ValidationError) -> Iterator[Problem]:
    """Values that ``load_settings`` refused; without the values, which may be secrets."""
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0]).upper()
        name = name if name.startswith((PREFIX, "LIVEKIT_")) else PREFIX + name
        yield Problem(ENVIRONMENT, name, problem["msg"], "correct it in the environment or .env")


def missing_settings(settings: Settings) -> Iterator[Problem]:
    """What ``switchboard serve`` cannot be without."""
    needed = {
        "LIVEKIT_URL": settings.livekit_urls or settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
    }
    remedy = "set it in the environment or .env; `switchboard up` brings a LiveKit of its own"
    for name, value in needed.items():
        if not value:
            yield Problem(ENVIRONMENT, name, "is not set: `switchboard serve` needs it", remedy)
    name = "LIVEKIT_URLS" if settings.livekit_urls else "LIVEKIT_URL"
    urls = [access.url for access in LiveKitAccess.all_of(settings)]
    for url in urls:
        if url and not url.startswith(("ws://", "wss://", "http://", "https://")):
            message = f"{url!r} is not a LiveKit address"
            yield Problem(ENVIRONMENT, name, message, "write ws://HOST:PORT or wss://HOST")
    if len(set(urls)) < len(urls):
        yield Problem(ENVIRONMENT, name, "names one LiveKit twice", "name each once")
    if not settings.on_loopback and not settings.api_key.get_secret_value():
        name, host = PREFIX + "API_KEY", settings.api_host
        message = f"is not set, and the API listens on {host}, which others can reach"
        yield Problem(ENVIRONMENT, name, message, "set it: `openssl rand -hex 24` makes one")


def unknown_settings(settings: Settings) -> Iterator[Problem]:
    """Names that look like ours and are not."""
    for name in settings.unknown_names:
        yield Problem(ENVIRONMENT, name, "is not a setting", _meant(name))


def _meant(name: str) -> str:
    known = sorted(known_names())
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"unset it; known are {', '.join(known)}"
