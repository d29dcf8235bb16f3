"""Places simulated calls: ``python -m local.callers SCENARIO.yaml [--address HOST:PORT]``."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local.callers.ears import EARS_ENVIRONMENT
from local.callers.report import CallReport
from local.callers.scenario import ScenarioError, load_scenario
from local.callers.simulation import Simulation
from local.callers.voice import VoiceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Place the calls; 0 if all passed, 1 if not, 2 if none could be placed."""
    parser = argparse.ArgumentParser(prog="python -m local.callers", description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--address", metavar="HOST:PORT", help="whom to dial (from up.json)")
    parser.add_argument("--calls", type=int, default=1, metavar="N", help="so many at once")
    parser.add_argument("--tapes", type=Path, metavar="DIR", help="keep the callers' recordings")
    parser.add_argument("--json", action="store_true", help="the reports as JSON")
    options = parser.parse_args(arguments)
    os.environ.update(EARS_ENVIRONMENT)
    try:
        address = options.address or running_address(os.environ)
        scenario = load_scenario(options.scenario)
        reports = asyncio.run(_run(Simulation(scenario, environ=os.environ), address, options))
    except (ScenarioError, VoiceError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([report.as_dict() for report in reports], indent=2))
    else:
        for report in reports:
            _print(report)
    return 0 if all(report.passed for report in reports) else 1


async def _run(simulation: Simulation, address: str, options: argparse.Namespace):
    async with simulation:
        return await simulation.run(address, calls=options.calls, tapes_dir=options.tapes)


def running_address(environ: Mapping[str, str]) -> str:
    """Where the running stack takes calls.

    Raises:
        ValueError: If none is running; says how to start one.
    """
    path = Path(environ.get("SWITCHBOARD_DATA") or ".switchboard") / "up.json"
    try:
        address = json.loads(path.read_text())["sip"]
    except FileNotFoundError as error:
        raise ValueError(f"{path} is not there: start 'make up', or give --address") from error
    if not address:
        raise ValueError(f"{path} names no SIP address: give --address")
    return address


def _print(report: CallReport) -> None:
    print(f"{report.scenario}: {'passed' if report.passed else 'FAILED'} ({report.secs:.1f} s)")
    for line in report.lines:
        print(f"  {line.began_secs:6.2f}  {line.who:>6}  {line.text}")
    for turn in report.tape.turns if report.tape else []:
        print(f"  heard after {turn.heard_secs:.3f} s (at {turn.caller_ended_at:.2f})")
    for failure in report.failures:
        print(f"  {failure}")


if __name__ == "__main__":
    sys.exit(main())
