"""Places simulated calls: ``python -m local.callers SCENARIO.yaml [--address HOST:PORT]``."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.callers.ears import EARS_ENVIRONMENT
from local.callers.report import CallReport
from local.callers.scenario import ScenarioError, load_scenario
from local.callers.simulation import Simulation
from local.callers.voice import VoiceError
from local.sip.errors import SipCallError

_HUMAN_SECS = 10.0


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
        scenario = load_scenario(options.scenario)
        needs_phones = scenario.human is not None
        up = {} if options.address and not needs_phones else running_stack(os.environ)
        address = options.address or up["sip"]
        simulation = Simulation(scenario, environ=os.environ)
        reports = asyncio.run(_run(simulation, address, up.get("phones") or [], options))
    except (ScenarioError, VoiceError, SipCallError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([report.as_dict() for report in reports], indent=2))
    else:
        for report in reports:
            _print(report)
    return 0 if all(report.passed for report in reports) else 1


async def _run(
    simulation: Simulation,
    address: str,
    phones: Sequence[Mapping[str, str]],
    options: argparse.Namespace,
) -> list[CallReport]:
    async with (
        simulation,
        simulation.human(address, phones, tapes_dir=options.tapes) as human,
    ):
        reports = await simulation.run(address, calls=options.calls, tapes_dir=options.tapes)
        if human:
            reports += [await human.verdict(_HUMAN_SECS) for _ in range(options.calls)]
        return reports


def running_stack(environ: Mapping[str, str]) -> dict[str, Any]:
    """The addresses and phones of the running stack.

    Raises:
        ValueError: If none is running; says how to start one.
    """
    path = Path(environ.get("SWITCHBOARD_DATA") or ".switchboard") / "up.json"
    try:
        up = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"{path} is not there: start 'make up', or give --address") from error
    if not up.get("sip"):
        raise ValueError(f"{path} names no SIP address: give --address")
    return up


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
