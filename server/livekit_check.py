"""Whether each LiveKit of the settings is there and takes its key."""

import asyncio
from collections.abc import Iterable

import aiohttp
from livekit.api import LiveKitAPI, ServerError
from livekit.protocol.room import ListRoomsRequest

from server.livekit_access import LiveKitAccess
from server.livekits import PATIENCE_SECS, api_problem
from services.problem import Problem

WHERE = "livekit"


def livekit_problems(accesses: Iterable[LiveKitAccess]) -> list[Problem]:
    """One for each LiveKit that could not be used now."""
    return asyncio.run(_ask_all([access for access in accesses if access.url]))


async def _ask_all(accesses: list[LiveKitAccess]) -> list[Problem]:
    found = await asyncio.gather(*(_ask(access) for access in accesses))
    return [problem for problem in found if problem]


async def _ask(access: LiveKitAccess) -> Problem | None:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        if await api_problem(access, session):
            remedy = "start it, or correct its address"
            return Problem(WHERE, access.url, "does not answer, or is not well", remedy)
    if await _refuses(access):
        message = f"refuses the key '{access.api_key}'"
        return Problem(WHERE, access.url, message, "correct its API key and secret")
    return None


async def _refuses(access: LiveKitAccess) -> bool:
    secret = access.api_secret.get_secret_value()
    async with LiveKitAPI(access.url, access.api_key, secret, failover=False) as api:
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                await api.room.list_rooms(ListRoomsRequest(names=["switchboard-check"]))
        except ServerError as error:
            return error.status == 401
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False  # it answered a moment ago: not the key's fault
    return False
