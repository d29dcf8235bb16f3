"""Reads the server's HTTP API, as a script of anybody's could."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import aiohttp

from records.events import EVENT, AnyEvent

_REQUEST_SECS = 10.0
_STORED_SECS = 2.0


class ApiError(Exception):
    """The API refused.

    Parameters:
        code: ``http_<status>``.
        retryable: Whether the same request may work later.
    """

    def __init__(self, status: int, message: str):
        """Initialize the error."""
        super().__init__(f"the API answered {status}: {message}")
        self.code, self.retryable = f"http_{status}", status >= 500


class Api:
    """A client of one server; an asynchronous context manager."""

    def __init__(self, url: str, key: str):
        """Initialize a client.

        Args:
            url: ``http://host:port``.
            key: The bearer key.
        """
        self._url = url
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"},
            timeout=aiohttp.ClientTimeout(total=None, connect=_REQUEST_SECS),
        )

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def get(self, path: str, **query: str) -> Any:
        """A JSON answer.

        Raises:
            ApiError: If the status is not 200.
            TimeoutError: If no answer comes within 10 s.
        """
        async with asyncio.timeout(_REQUEST_SECS):
            async with self._session.get(self._url + path, params=query) as response:
                if response.status != 200:
                    raise ApiError(response.status, (await response.text())[:300])
                return await response.json()

    async def post(self, url: str, body: Any) -> Any:
        """A JSON answer of any local address.

        Raises:
            ApiError: If the status is not 2xx.
            TimeoutError: If no answer comes within 10 s.
        """
        async with asyncio.timeout(_REQUEST_SECS):
            async with self._session.post(url, json=body) as response:
                if not response.ok:
                    raise ApiError(response.status, (await response.text())[:300])
                return await response.json()

    async def calls(self) -> list[dict[str, Any]]:
        """The newest calls, as records."""
        answer = await self.get("/calls")
        return answer["calls"] if isinstance(answer, dict) else answer

    async def calls_from(self, caller: str) -> list[dict[str, Any]]:
        """Records of the calls that came from a number.

        A caller who hung up before the bot knew of it is known by the room alone.
        """
        return [call for call in await self.calls() if caller in (call["caller"] or call["room"])]

    async def finished_call(self, caller: str, within_secs: float) -> dict[str, Any]:
        """The record of the one call from a number, once it is over and its tape measured.

        Raises:
            TimeoutError: If it is not there in time, or is not the only one.
        """
        async with asyncio.timeout(within_secs):
            while True:
                calls = await self.calls_from(caller)
                if len(calls) == 1 and calls[0]["outcome"] and _is_measured(calls[0]):
                    return calls[0]
                await asyncio.sleep(0.1)

    async def events(self, ready: asyncio.Event | None = None) -> AsyncIterator[AnyEvent]:
        """Every event of every call from now on.

        Args:
            ready: Set once nothing will be missed any more.
        """
        async with self._session.get(f"{self._url}/events") as response:
            if response.status != 200:
                raise ApiError(response.status, (await response.text())[:300])
            if ready:
                ready.set()
            async for raw in response.content:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("data:"):
                    yield EVENT.validate_json(line[5:].strip())


def _is_measured(call: dict[str, Any]) -> bool:
    """The recording is stored and measured a moment behind the end; some calls have none."""
    if call["tape"] or call["recording"] or not call["answered_at"]:
        return bool(call["tape"]) or not call["recording"]
    ended_at = datetime.fromisoformat(call["ended_at"])
    return (datetime.now(UTC) - ended_at).total_seconds() > _STORED_SECS
