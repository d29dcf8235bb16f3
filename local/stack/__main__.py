"""``switchboard up``: exchange, providers and server on this machine, until Ctrl-C."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from local.models import ModelError, missing, models_folder
from local.models import main as fetch_models_main
from local.stack.child import StackError
from local.stack.phones import DESK_NUMBERS
from local.stack.plan import LiveKitAccess
from local.stack.ports import Ports
from local.stack.stack import Stack, StackConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stack; returns the exit code."""
    parser = argparse.ArgumentParser(prog="switchboard up", description=__doc__)
    parser.add_argument("--port-base", type=int, metavar="N", help="SIP on N, API on N+1, …")
    parser.add_argument("--json", action="store_true", help="addresses as JSON on stdout")
    parser.add_argument("--verbose", action="store_true", help="show every process's log")
    parser.add_argument("--realistic", action="store_true", help="with a real LiveKit's delays")
    parser.add_argument("--openai-url", metavar="URL", help="a model that answers for the rules")
    parser.add_argument("--no-human", action="store_true", help="nobody sits at the desk")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given[1:] if given[:1] == ["--"] else given)
    console = Console(stderr=True, highlight=False)
    try:
        config = _config(os.environ, options)
    except ValueError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    if missing(models_folder(os.environ)) and fetch_models_main([]) != 0:
        return 1
    try:
        return asyncio.run(_run(config, console, as_json=options.json, verbose=options.verbose))
    except (StackError, ModelError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


def _config(environ: Mapping[str, str], options: argparse.Namespace) -> StackConfig:
    return StackConfig(
        environ=environ,
        ports=Ports.chosen(environ, options.port_base),
        data_dir=Path(environ.get("SWITCHBOARD_DATA") or ".switchboard"),
        livekit=LiveKitAccess.from_environment(environ),
        realistic=options.realistic,
        openai_url=options.openai_url,
        human=not options.no_human,
    )


async def _run(config: StackConfig, console: Console, *, as_json: bool, verbose: bool) -> int:
    def show(sentence: str) -> None:
        console.print(f"  {sentence}", markup=False)

    def show_line(name: str, line: str) -> None:
        console.print(f"{name:>9} │ {line}", markup=False, soft_wrap=True)

    stack = Stack(config, on_progress=show, on_line=show_line if verbose else None)
    asked = _listen_for_ctrl_c(stack, console)
    starting = asyncio.ensure_future(stack.start())
    try:
        if not await _first(starting, asked):
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 130
        starting.result()
        if as_json:
            print(stack.address.as_json(), flush=True)
        _welcome(stack, console, config)
        died = asyncio.ensure_future(stack.died())
        if await _first(died, asked):
            raise died.result()
        died.cancel()
        await asyncio.gather(died, return_exceptions=True)
        return 0
    finally:
        await stack.stop()


async def _first(work: asyncio.Future, asked: asyncio.Event) -> bool:
    """Whether the work ended before someone asked to stop."""
    stop = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        stop.cancel()


def _listen_for_ctrl_c(stack: Stack, console: Console) -> asyncio.Event:
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            console.print("Stopped at once.")
            stack.kill()
            os._exit(130)
        console.print("Ending calls … (Ctrl-C again stops at once)")
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return asked


def _welcome(stack: Stack, console: Console, config: StackConfig) -> None:
    address = stack.address
    console.print("\n[bold]Switchboard is up.[/bold]")
    for number, bot in shipped_numbers(config.environ).items():
        where = f"sip:{number}@{address.sip}" if address.sip else number
        console.print(f"  dial     {where}   {bot}", markup=False)
    for bot in web_bots(config.environ):
        console.print(f"  browser  {address.api}/call/{bot}", markup=False)
    for phone in address.phones:
        login = f"user {phone['user']}   password {phone['password']}"
        what = "front desk" if phone["number"] in DESK_NUMBERS else "anybody"
        console.print(f"  phone    {phone['number']}   {login}   {what}", markup=False)
    if "human" in stack.children:
        console.print("           a simulated human answers the desk until a phone registers")
    console.print(f"  API      {address.api}   key {address.api_key}", markup=False)
    console.print(f"  LiveKit  {address.livekit}", markup=False)
    console.print(f"  logs     {stack.logs_dir}", markup=False)
    console.print("  Ctrl-C ends calls politely and stops everything.\n")


def shipped_numbers(environ: Mapping[str, str]) -> dict[str, str]:
    """The numbers that bots claim, and each bot's name; for the eye only, so nothing is judged."""
    return {
        str(number): name
        for name, bot in _shipped_bots(environ).items()
        for number in bot.get("numbers") or []
    }


def web_bots(environ: Mapping[str, str]) -> list[str]:
    """The bots that may be called from a browser."""
    return [name for name, bot in _shipped_bots(environ).items() if bot.get("web") is True]


def _shipped_bots(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    bots: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(environ.get("SWITCHBOARD_BOTS") or "bots").glob("*.yaml")):
        try:
            bot = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError:
            continue
        if isinstance(bot, dict):
            bots[path.stem] = bot
    return bots


if __name__ == "__main__":
    sys.exit(main())
