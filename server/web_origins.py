"""Which web pages may place calls: a list, and this server's own page on loopback."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d+)?")


def parse_origins(text: str) -> tuple[str, ...]:
    """Read origins, separated by commas or spaces.

    Raises:
        ValueError: One of them is no origin.
    """
    origins = tuple(word.lower() for word in text.replace(",", " ").split())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin such as https://www.example.com")
    return origins


def checked_origins(text: str) -> str:
    """Pass on what ``parse_origins`` can read.

    Raises:
        ValueError: It cannot.
    """
    parse_origins(text)
    return text


class WebOrigins:
    """Judges the ``Origin`` of a request.

    A page of this server is trusted by itself only where it is asked for as ``localhost`` or a
    loopback address: any other name could be a stranger's that points here (DNS rebinding).
    Source: RFC 6454 §7; browsers send ``Origin`` with every POST.
    """

    def __init__(self, allowed: Iterable[str]):
        """Initialize with the origins that are allowed wherever this server is."""
        self.allowed = frozenset(allowed)

    def why_not(self, origin: str, host: str) -> str:
        """What is wrong with a request; "" when it may pass.

        Args:
            origin: Its ``Origin`` header.
            host: Its ``Host`` header.
        """
        if not origin:
            return "only web pages may ask this, and they say their origin"
        if origin.lower() in self.allowed:
            return ""
        own = urlsplit(f"//{host}")
        if urlsplit(origin).netloc == host and own.hostname in LOOPBACK_HOSTS:
            return ""
        return f"the origin {origin} is not in SWITCHBOARD_WEB_ORIGINS"
