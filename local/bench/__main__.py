"""``make bench``: latency, barge-in, memory and CPU of real SIP calls; never fails on a figure."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import local.callers
from local.bench.answering import measure_answering, measure_conversation
from local.bench.barge_in import measure_barge_in
from local.bench.echo import measure_echo
from local.bench.figures import Figure
from local.bench.line import Line, open_line
from local.bench.load import measure_memory_and_idle_cpu, measure_ten_echoes
from local.bench.table import print_table, write_json
from local.bench.transfer import measure_transfers, soak_transfers
from local.bench.voices import spoken
from local.callers.scenario import load_scenario
from local.callers.simulation import Simulation
from local.stack.child import StackError

PARTS = ("echo", "answering", "barge-in", "conversation", "transfers", "memory", "load")
DEMO = Path(local.callers.__path__[0]) / "demo.yaml"
_QUESTION = "What time do you open on Friday?"


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument(
        "--calls",
        type=int,
        default=0,
        metavar="N",
        help="then N transfers in a row",
    )
    parser.add_argument("--json", type=Path, default=Path(".switchboard/bench/bench.json"))
    arguments = parser.parse_args()
    try:
        figures = asyncio.run(_measure(arguments.only, arguments.json.parent, arguments.calls))
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print_table(figures)
    write_json(figures, arguments.json)
    print(f"every sample: {arguments.json}")
    return 0


async def _measure(parts: list[str], data_dir: Path, calls: int) -> list[Figure]:
    figures: list[Figure] = []
    async with open_line(os.environ, data_dir) as line:
        for part in parts:
            print(f"measuring {part} ...", flush=True)
            figures += await _part(part, line)
        if "transfers" in parts and calls:
            print(f"{calls} transfers in a row ...", flush=True)
            figures += await soak_transfers(line, calls=calls)
    return figures


async def _part(part: str, line: Line) -> list[Figure]:
    match part:
        case "echo":
            return await measure_echo(line)
        case "answering":
            return await measure_answering(line)
        case "barge-in":
            return await measure_barge_in(line, environ=os.environ)
        case "conversation":
            scenario = load_scenario(DEMO)
            async with Simulation(scenario, environ=os.environ) as simulation:
                return await measure_conversation(line, scenario, simulation)
        case "transfers":
            return await measure_transfers(line)
        case "memory":
            [question] = await spoken([_QUESTION], os.environ)
            return await measure_memory_and_idle_cpu(line, question)
        case _:
            return await measure_ten_echoes(line)


if __name__ == "__main__":
    sys.exit(main())
