"""Which keys are let in, and where each protocol puts the key."""

from collections.abc import Sequence

from aiohttp import web


def key_of(request: web.Request) -> str:
    """The key of a request, wherever its protocol carries it; empty without one."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return (
        (value if scheme.lower() in ("token", "bearer") else "")
        or request.headers.get("X-API-Key", "")
        or request.query.get("api_key", "")
    )


class Access:
    """Lets in every key that begins with one of the prefixes."""

    def __init__(self, prefixes: Sequence[str] = ("local",)):
        """Initialize with the accepted prefixes."""
        self._prefixes = tuple(prefixes)

    def allows(self, key: str) -> bool:
        """Whether this key is let in."""
        return key.startswith(self._prefixes)
