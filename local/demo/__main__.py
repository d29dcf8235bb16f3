"""``switchboard demo``: one real SIP call to the receptionist, shown live and judged."""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console

from local.callers.ears import EARS_ENVIRONMENT
from local.callers.scenario import Scenario, ScenarioError, load_scenario
from local.callers.simulation import Simulation
from local.callers.voice import VoiceError
from local.demo.call import place_call
from local.demo.summary import show_summary
from local.models import main as fetch_models_main
from local.models import missing, models_folder
from local.stack.child import StackError
from local.stack.ports import Ports
from local.stack.running import running_address
from local.stack.stack import Stack, StackAddress, StackConfig

_SCENARIO = Path(__file__).parent.parent / "callers" / "demo.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 only if the caller heard the right things and the record says so."""
    parser = argparse.ArgumentParser(prog="switchboard demo", description=__doc__)
    parser.add_argument("--scenario", type=Path, default=_SCENARIO, help="another call")
    parser.add_argument("--running", action="store_true", help="call the switchboard that is up")
    parser.add_argument("--plain", action="store_true", help="plain lines, on a terminal too")
    options = parser.parse_args(arguments)
    os.environ.update(EARS_ENVIRONMENT)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    if missing(models_folder(os.environ)) and fetch_models_main([]) != 0:
        return 1
    try:
        scenario = load_scenario(options.scenario)
        return asyncio.run(_run(scenario, console, options))
    except (ScenarioError, VoiceError, StackError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("The demo was stopped.")
        return 130


async def _run(scenario: Scenario, console: Console, options: argparse.Namespace) -> int:
    # A number of this call's own finds its record among others.
    scenario = scenario.model_copy(update={"caller": f"+1555{random.randrange(10**7):07d}"})
    data_dir = _data_dir(os.environ)
    simulation = Simulation(scenario, environ=os.environ)
    console.print("Bringing up exchange, providers and server …" if not options.running else "")
    async with AsyncExitStack() as held:
        address, _ = await asyncio.gather(
            held.enter_async_context(_address(options.running, data_dir, console)),
            held.enter_async_context(simulation),
        )
        reports, record, verdict = await place_call(
            simulation,
            address,
            console,
            tapes_dir=data_dir,
            live=console.is_terminal and not options.plain,
        )
    show_summary(console, reports, record, verdict)
    console.print(f"  logs      {data_dir / 'logs'}\n", markup=False)
    return 0 if verdict.passed else 1


@asynccontextmanager
async def _address(running: bool, data_dir: Path, console: Console) -> AsyncIterator[StackAddress]:
    if running:
        yield running_address(os.environ)
        return

    def show(line: str) -> None:
        console.print(f"  {line}", style="dim", markup=False)

    async with Stack(StackConfig(os.environ, Ports.free(), data_dir), on_progress=show) as stack:
        yield stack.address


def _data_dir(environ: Mapping[str, str]) -> Path:
    """Apart from a running switchboard's, whose folder is locked."""
    folder = Path(environ.get("SWITCHBOARD_DATA") or ".switchboard") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    # Bookings of earlier runs would fill the tables that the scenario asks for.
    for leftover in folder.glob("blue_door.db*"):
        leftover.unlink()
    return folder


if __name__ == "__main__":
    sys.exit(main())
