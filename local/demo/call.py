"""Places the demo's call, shows it while it runs, and fetches its record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from local.callers.caller import Caller
from local.callers.human import Human
from local.callers.report import CallReport
from local.callers.simulation import Simulation
from local.demo.story import Story
from local.demo.summary import Verdict, judge
from local.demo.view import LiveView, PlainView, View
from local.sip.errors import SipCallError
from local.stack.api import Api
from local.stack.child import StackError
from local.stack.stack import StackAddress

_RECORD_SECS = 15.0
_HUMAN_SECS = 5.0
_SILENT = (-96.0, -96.0)


async def place_call(
    simulation: Simulation,
    address: StackAddress,
    console: Console,
    *,
    tapes_dir: Path,
    live: bool,
) -> tuple[list[CallReport], dict[str, Any] | None, Verdict]:
    """One call: dialled, shown, judged.

    Args:
        simulation: The prepared caller.
        address: The stack.
        console: Where to show it.
        tapes_dir: Where the caller's and the human's own recordings go.
        live: Show a live picture in place of lines.

    Returns:
        What the caller and, if there is one, the human report; the call's record; and whether all
        of it is right.

    Raises:
        StackError: If the stack has no SIP address, or no phone for the human.
    """
    if not address.sip:
        raise StackError("no_sip", "The SIP address is not known.", "Set SIP_ADDRESS=host:port.")
    scenario = simulation.scenario
    caller = simulation.caller(address.sip, tape_path=tapes_dir / "caller.wav")
    story = Story()
    view: View = LiveView(console, story, lambda: _levels(caller)) if live else PlainView(console)
    async with Api(address.api, address.api_key) as api:
        listening = asyncio.Event()
        following = asyncio.create_task(_follow(api, story, view, listening))
        try:
            async with asyncio.timeout(10):
                await asyncio.wait(
                    {following, asyncio.ensure_future(listening.wait())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
            async with _at_the_desk(simulation, address, tapes_dir) as human:
                with view:
                    reports = [await caller.run()]
                    if human:
                        reports.append(await human.verdict(_HUMAN_SECS))
                    record = await _record(api, scenario.caller)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        records = await api.calls_from(scenario.caller)
    return reports, record, judge(reports, records, scenario.outcome)


@asynccontextmanager
async def _at_the_desk(
    simulation: Simulation, address: StackAddress, tapes_dir: Path
) -> AsyncIterator[Human | None]:
    try:
        async with simulation.human(
            address.sip or "", address.phones, tapes_dir=tapes_dir
        ) as human:
            yield human
    except (ValueError, SipCallError) as error:
        raise StackError("no_phone", str(error), "Run the demo without --running.") from error


async def _follow(api: Api, story: Story, view: View, listening: asyncio.Event) -> None:
    async for event in api.events(listening):
        if line := story.take(event):
            view.tell(line)


async def _record(api: Api, caller: str) -> dict[str, Any] | None:
    try:
        return await api.finished_call(caller, _RECORD_SECS)
    except TimeoutError:
        return None


def _levels(caller: Caller) -> tuple[float, float]:
    return caller.phone.levels_dbfs if caller.phone else _SILENT
