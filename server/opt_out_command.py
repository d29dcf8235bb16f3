"""``switchboard opt-outs``: who is not called, and how that changes."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from records.database import StoreError
from records.opt_outs import OptOut
from records.store import CallStore
from server.call_table import print_lines
from server.limits_numbers import NumberRefusedError, e164
from server.settings import load_settings


def opt_outs(*, add: Sequence[str], remove: Sequence[str], as_json: bool) -> int:
    """Changes the list, then prints it; 2 for what is no number, and then nothing changes."""
    try:
        added, removed = [e164(number) for number in add], [e164(number) for number in remove]
    except NumberRefusedError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 2
    settings = load_settings()
    if not (added or settings.database_url or (settings.data / "switchboard.db").exists()):
        where = f"{settings.data} holds no calls; SWITCHBOARD_DATA names another folder"
        print(f"switchboard: {where}", file=sys.stderr)
        return 1
    try:
        listed = asyncio.run(_change(settings.database, added, removed))
    except StoreError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps([asdict(each) for each in listed], indent=2, default=datetime.isoformat))
    else:
        print_lines(_table(listed))
    return 0


async def _change(database: str, added: list[str], removed: list[str]) -> list[OptOut]:
    store = await CallStore.open(database)
    try:
        for number in added:
            if not await store.opt_outs.add(number):
                print(f"{number} was on the list already", file=sys.stderr)
        for number in removed:
            if not await store.opt_outs.remove(number):
                print(f"{number} was not on the list", file=sys.stderr)
        return await store.opt_outs.all()
    finally:
        await store.close()


def _table(listed: Sequence[OptOut]) -> Iterator[str]:
    if not listed:
        yield "nobody has opted out"
        return
    yield f"{'number':<18}{'since':<21}said on"
    for each in listed:
        said_on = f"call {each.call_id}" if each.call_id else "put down by hand"
        yield f"{each.number:<18}{each.since.astimezone():%Y-%m-%d %H:%M:%S}  {said_on}"
