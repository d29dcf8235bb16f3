"""Calls from a browser, put together as the settings say."""

from collections.abc import Callable

from server.address_limit import AddressLimit
from server.calls import Calls
from server.known_bots import KnownBots
from server.livekit_access import LiveKitAccess
from server.settings import Settings
from server.web_calls import WebCalls
from server.web_origins import WebOrigins, parse_origins
from server.web_page import WebPage
from server.web_routes import WebRoutes


def web_calls_of(
    settings: Settings, calls: Calls, choose: Callable[[], LiveKitAccess | None]
) -> WebCalls:
    """What begins calls for a browser.

    Args:
        settings: Where browsers reach LiveKit.
        calls: All calls of this server.
        choose: The LiveKit that carries the next call.
    """
    return WebCalls(calls, choose, public_url=lambda access: _public_url(settings, access))


def web_routes_of(settings: Settings, calls: WebCalls, bots: KnownBots) -> WebRoutes:
    """The page and the beginning of its calls.

    Args:
        settings: Whose pages may call, and how often.
        calls: Begins calls.
        bots: Who may be called.
    """
    origins = parse_origins(settings.web_origins)
    urls = [_public_url(settings, access) for access in LiveKitAccess.all_of(settings)]
    return WebRoutes(
        WebPage(urls, framed_by=origins),
        calls,
        bots,
        origins=WebOrigins(origins),
        limit=AddressLimit(settings.web_calls_per_minute),
    )


def _public_url(settings: Settings, access: LiveKitAccess) -> str:
    first = LiveKitAccess.all_of(settings)[0]
    if settings.web_livekit_url and access.websocket_url == first.websocket_url:
        return settings.web_livekit_url
    return access.websocket_url
