"""``switchboard calls``: what the server, or without one its store, knows of the calls."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from records.call_record import CallRecord
from records.database import StoreError
from records.store import CallStore
from server.api_calls import MAX_LIMIT
from server.api_key import kept_key
from server.call_table import call_text, calls_table, print_lines
from server.settings import Settings, load_settings

ANSWER_SECS = 10.0


class CallListError(Exception):
    """The calls cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class ApiAddress:
    """Where a server on this machine answers."""

    url: str
    key: str


def calls(call_id: str | None, *, limit: int, as_json: bool) -> int:
    """Prints calls, newest first, or one call; 1 when there is nothing to print from."""
    if not 1 <= limit <= MAX_LIMIT:
        print(f"switchboard: --limit: {limit} is not 1 to {MAX_LIMIT}", file=sys.stderr)
        return 2
    settings = load_settings()
    try:
        found = asyncio.run(_find(settings, call_id, limit))
    except (CallListError, StoreError) as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1
    if as_json:
        data = [record.model_dump(mode="json") for record in found]
        print(json.dumps(data[0] if call_id else data, indent=2))
    else:
        print_lines(call_text(found[0]) if call_id else calls_table(found))
    return 0


def api_address(settings: Settings) -> ApiAddress | None:
    """The address a running stack wrote down, else that of the settings; None without a key."""
    written = _written_address(settings.data / "up.json")
    key = settings.api_key.get_secret_value() or kept_key(settings.data)
    if written or not key:
        return written
    host = "127.0.0.1" if settings.api_host in ("0.0.0.0", "::") else settings.api_host
    host = f"[{host}]" if ":" in host else host
    return ApiAddress(f"http://{host}:{settings.api_port}", key)


def _written_address(path: Path) -> ApiAddress | None:
    try:
        up = json.loads(path.read_text())
        return ApiAddress(up["api"], up["api_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no stack is up


async def _find(settings: Settings, call_id: str | None, limit: int) -> list[CallRecord]:
    want = MAX_LIMIT if call_id else limit
    address = api_address(settings)
    found = await _from_server(address, want) if address else None
    if found is None:
        found = await _from_store(settings, want)
    if call_id is None:
        return found
    matches = [record for record in found if record.call_id.startswith(call_id)]
    if len(matches) != 1:
        problem = f"{len(matches)} calls begin with" if matches else "there is no call"
        raise CallListError(f"{problem} {call_id!r}; `switchboard calls` lists them")
    return matches


async def _from_server(address: ApiAddress, limit: int) -> list[CallRecord] | None:
    """None when no server answers there."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECS)
    headers = {"Authorization": f"Bearer {address.key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{address.url}/calls", params={"limit": str(limit)}) as answer,
        ):
            if answer.status == 401:
                raise CallListError(
                    f"the server at {address.url} has another key: set SWITCHBOARD_API_KEY"
                )
            if answer.status != 200:
                raise CallListError(f"{address.url}/calls answered {answer.status}")
            return [CallRecord.model_validate(record) for record in (await answer.json())["calls"]]
    except (aiohttp.ClientConnectionError, TimeoutError):
        return None


async def _from_store(settings: Settings, limit: int) -> list[CallRecord]:
    if not settings.database_url and not (settings.data / "switchboard.db").exists():
        raise CallListError(
            f"no server answers and {settings.data} holds no calls; "
            "SWITCHBOARD_DATA names another folder, `switchboard up` starts a server"
        )
    store = await CallStore.open(settings.database)
    try:
        return await store.calls(limit=limit)
    finally:
        await store.close()
