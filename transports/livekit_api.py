"""LiveKit's HTTP API with bounded patience."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
from livekit.api import LiveKitAPI, ServerError
from loguru import logger

from transports.line_error import LineError

ATTEMPT_SECS = 3.0
ATTEMPTS = 3
PAUSE_SECS = 0.3
NETWORK_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)

T = TypeVar("T")


class LiveKitRequests:
    """Opens the API client with the first request, asks, and closes it."""

    def __init__(self, url: str, api_key: str, api_secret: str):
        """Initialize; nothing connects.

        Args:
            url: The LiveKit server, ``ws://``, ``wss://``, ``http://`` or ``https://``.
            api_key: The key's name.
            api_secret: The key's secret.
        """
        self._url, self._key, self._secret = url, api_key, api_secret
        self._api: LiveKitAPI | None = None

    @property
    def api(self) -> LiveKitAPI:
        """The client. It never repeats a request: one sent twice would ring a phone twice."""
        if self._api is None:
            self._api = LiveKitAPI(self._url, self._key, self._secret, failover=False)
        return self._api

    async def ask(self, request: Awaitable[T]) -> T:
        """Wait for one answer.

        Raises:
            LineError: ``livekit_unreachable`` or ``livekit_refused``.
        """
        try:
            return await request
        except ServerError as error:
            raise LineError("livekit_refused", f"{error.code}: {error.message}") from error
        except NETWORK_ERRORS as error:
            raise LineError(
                "livekit_unreachable",
                f"LiveKit does not answer at {self._url}: {type(error).__name__}: {error}",
                retryable=True,
            ) from error

    async def until_gone(self, what: str, ask: Callable[[], Awaitable[object]]) -> bool:
        """Remove something; True when it is gone, also when it was before.

        Bounded: three attempts of at most 3 s.
        """
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECS)
            try:
                async with asyncio.timeout(ATTEMPT_SECS):
                    await ask()
                return True
            except ServerError as error:
                if error.code == "not_found":
                    return True
                reason = str(error)
            except NETWORK_ERRORS as error:
                reason = f"{type(error).__name__}: {error}"
            logger.warning(f"{what} not removed, attempt {attempt + 1} of {ATTEMPTS}: {reason}")
        logger.error(f"{what} not removed: somebody may be left in silence")
        return False

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        api, self._api = self._api, None
        if api:
            await api.aclose()  # pyright: ignore[reportGeneralTypeIssues]
