"""``switchboard call``: places a call, follows it, and tells by its status how it was."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from server.call_follow import PATIENCE_SECS, events_of, line_of
from server.call_list import ApiAddress, api_address
from server.settings import load_settings

ASK_SECS = 20.0
RESUME_SECS = 1.0
RESUMES = 10

EXIT_STATUS: Mapping[str, int] = {
    "completed": 0,
    "caller_hung_up": 0,
    "transferred": 0,
    "message_taken": 0,
    "callback_booked": 0,
    "max_duration": 0,
    "idle": 0,
    "trunk_failure": 1,
    "provider_failure": 1,
    "worker_lost": 1,
    "busy": 3,
    "no_answer": 4,
    "rejected": 5,
    "invalid_number": 6,
    "voicemail": 7,
    "cancelled": 130,
}
"""By outcome; 2 is a wrong argument."""

REMEDIES: Mapping[str, str] = {
    "country_not_allowed": "set SWITCHBOARD_CALL_COUNTRIES of the server, e.g. US,CA",
    "invalid_number": "write it as +, country code and number",
    "missing_variable": "add --var NAME=VALUE",
    "unknown_variable": "see `variables:` of the bot",
    "no_trunk": "name one with --trunk; `switchboard provision` makes them",
    "caller_id_not_allowed": "take one of the trunk's numbers with --caller-id",
    "livekit_unreachable": "look at GET /readyz of the server",
}


class CallCommandError(Exception):
    """The call cannot be placed or followed; the message says why and what to do."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for.

    Parameters:
        body: The request to ``POST /calls``.
        follow: Stay until the call is over.
        as_json: Print JSON instead of lines.
    """

    body: Mapping[str, Any]
    follow: bool = True
    as_json: bool = False


def variables_of(pairs: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` of every ``--var``.

    Raises:
        CallCommandError: One has no ``=``.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CallCommandError(f"--var {pair!r}: write NAME=VALUE")
        found[name.strip()] = value
    return found


def metadata_of(text: str | None) -> str | dict[str, Any] | None:
    """Metadata as JSON where it is an object, else as text."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def call_number(options: argparse.Namespace) -> int:
    """``switchboard call`` with its arguments; returns the exit status."""
    try:
        body = {
            "phone_number": options.number,
            "bot": options.bot,
            "variables": variables_of(options.var),
            "metadata": metadata_of(options.metadata),
            "trunk": options.trunk,
            "caller_id": options.caller_id,
            "ring_secs": options.ring_secs,
            "idempotency_key": options.idempotency_key,
        }
    except CallCommandError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 2
    body = {name: value for name, value in body.items() if value is not None}
    return call(Wish(body, follow=not options.detach, as_json=options.json))


def call(wish: Wish) -> int:
    """Places the call; returns the exit status."""
    address = api_address(load_settings())
    if address is None:
        print("switchboard: no server is known: start `switchboard up` or `serve`", file=sys.stderr)
        return 1
    try:
        return asyncio.run(PlacedByHand(address, wish).run())
    except CallCommandError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1


@dataclass
class PlacedByHand:
    """One call from the command line, from its request to its record."""

    address: ApiAddress
    wish: Wish
    say: Callable[[str], None] = print
    _hung_up: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> int:
        """Place it, and follow it unless told otherwise; returns the exit status.

        Raises:
            CallCommandError: It was not placed, or the server went away.
        """
        headers = {"Authorization": f"Bearer {self.address.key}"}
        async with aiohttp.ClientSession(self.address.url, headers=headers) as session:
            placed = await self._place(session)
            call_id = placed["call_id"]
            if not self.wish.follow:
                self.say(json.dumps(placed, indent=2) if self.wish.as_json else call_id)
                return 0
            if not self.wish.as_json:
                self.say(f"call {call_id}: {self.wish.body['bot']} calls {placed['phone_number']}")
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGINT, self._interrupted, session, call_id)
            try:
                await self._follow(session, call_id)
                record = await self._ask(session, "GET", f"/calls/{call_id}")
            finally:
                loop.remove_signal_handler(signal.SIGINT)
        return self._conclude(record)

    async def _place(self, session: aiohttp.ClientSession) -> dict[str, Any]:
        return await self._ask(session, "POST", "/calls", json=dict(self.wish.body))

    async def _follow(self, session: aiohttp.ClientSession, call_id: str) -> None:
        last = 0
        timeout = aiohttp.ClientTimeout(sock_connect=ASK_SECS, sock_read=PATIENCE_SECS)
        for _ in range(RESUMES):
            try:
                async with session.get(
                    f"/calls/{call_id}/events", params={"after": str(last)}, timeout=timeout
                ) as answer:
                    if answer.status == 204:
                        return
                    if answer.status != 200:
                        raise CallCommandError(f"the events of {call_id} answer {answer.status}")
                    async for event in events_of(answer):
                        last = event["seq"]
                        self._tell(event)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(RESUME_SECS)
                continue
            if await self._is_over(session, call_id):
                return
        raise CallCommandError(f"the server went away; `switchboard calls {call_id}` may tell more")

    async def _is_over(self, session: aiohttp.ClientSession, call_id: str) -> bool:
        record = await self._ask(session, "GET", f"/calls/{call_id}")
        return record["outcome"] is not None

    def _tell(self, event: dict[str, Any]) -> None:
        line = None if self.wish.as_json else line_of(event)
        if line:
            self.say(line)

    def _interrupted(self, session: aiohttp.ClientSession, call_id: str) -> None:
        """Ctrl-C: politely first, then at once."""
        self._hung_up += 1
        task = asyncio.ensure_future(self._hang_up(session, call_id, now=self._hung_up > 1))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hang_up(self, session: aiohttp.ClientSession, call_id: str, *, now: bool) -> None:
        try:
            params = {"now": "1" if now else "0"}
            async with session.delete(f"/calls/{call_id}", params=params) as answer:
                if answer.status == 202 and not self.wish.as_json:
                    self.say("hanging up" if now else "hanging up; Ctrl-C again does not wait")
        except (aiohttp.ClientError, TimeoutError) as error:
            print(f"switchboard: not hung up: {error}", file=sys.stderr)

    async def _ask(
        self, session: aiohttp.ClientSession, method: str, path: str, **options: Any
    ) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=ASK_SECS)
        try:
            async with session.request(method, path, timeout=timeout, **options) as answer:
                body = await answer.json(content_type=None)
                if answer.status >= 400:
                    raise CallCommandError(problem_text(answer.status, body))
                return body
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise CallCommandError(
                f"no server answers at {self.address.url}: start `switchboard up` or `serve`"
            ) from error

    def _conclude(self, record: dict[str, Any]) -> int:
        if self.wish.as_json:
            self.say(json.dumps(record, indent=2))
        else:
            for line in last_lines(record):
                self.say(line)
        return 130 if self._hung_up else EXIT_STATUS.get(record["outcome"] or "", 1)


def problem_text(status: int, body: Any) -> str:
    """A refusal in one line, with what to do."""
    body = body if isinstance(body, dict) else {}
    if status == 401:
        return "the server has another key: set SWITCHBOARD_API_KEY"
    code, detail = body.get("code", ""), body.get("detail") or body.get("title") or str(status)
    parts = [f"{code}: {detail}" if code else str(detail)]
    if wait := body.get("retry_after_secs"):
        parts.append(f"again in {wait} s")
    if remedy := REMEDIES.get(code):
        parts.append(remedy)
    return "; ".join(parts)


def last_lines(record: dict[str, Any]) -> list[str]:
    """What is left to say of a call that is over."""
    lines = [f"{name:<10} {value}" for name, value in record.get("results", {}).items()]
    dial = record.get("dial") or {}
    if retry := dial.get("retry_after_secs"):
        lines.append(f"worth another attempt in {retry} s")
    lines.append(f"`switchboard calls {record['call_id']}` shows the record")
    return lines
