"""Passes chat completions on to any other OpenAI-compatible server."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

_CONNECT_SECS = 10.0
_SILENT_SECS = 120.0


class UpstreamError(Exception):
    """The server behind did not answer, or refused.

    Parameters:
        code: Always ``upstream``.
        status: HTTP status to give on.
        retryable: Whether the client may try again.
    """

    code = "upstream"

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.retryable = status in (429, 500, 502, 503, 504)


class Upstream:
    """One server and the key for it; the client's own key goes no further than here."""

    def __init__(self, url: str, key: str | None):
        """Initialize with the address up to ``/v1`` and its key, if it wants one."""
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def models(self) -> dict[str, Any]:
        """The body of its ``/models``; raises UpstreamError."""
        return await self._json("GET", "/models", None)

    async def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """An answer that is not streamed; raises UpstreamError."""
        return await self._json("POST", "/chat/completions", body)

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        """The JSON of each event but the last ``[DONE]``; raises UpstreamError."""
        try:
            async with self._request("POST", "/chat/completions", body) as reply:
                await self._check(reply)
                async for line in reply.content:
                    data = line.decode().strip().removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    if line.startswith(b"data:"):
                        yield data
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(502, f"{self._url} did not answer: {error!r}") from error

    async def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            async with self._request(method, path, body) as reply:
                await self._check(reply)
                return await reply.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise UpstreamError(502, f"{self._url} did not answer: {error!r}") from error

    def _request(self, method: str, path: str, body: dict[str, Any] | None):
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECS, sock_read=_SILENT_SECS
            )
            self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self._session.request(method, self._url + path, json=body)

    async def _check(self, reply: aiohttp.ClientResponse) -> None:
        if reply.status < 400:
            return
        text = await reply.text()
        try:
            text = json.loads(text)["error"]["message"]
        except (ValueError, KeyError, TypeError):
            text = text[:300]
        raise UpstreamError(reply.status, f"{self._url} refused: {text}")
