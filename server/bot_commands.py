"""``switchboard talk`` and ``switchboard new``: for people who write bots."""

import asyncio
import sys
from pathlib import Path

from bots.scaffold import new_bot
from bots.talk import talk

from bots.bot import load_bots
from processors.turn_models import load_turn_models
from server.logs import set_up_logs
from server.preload import providers_of
from server.settings import load_settings
from services.phrases import PhraseStore
from transports.line_error import LineError


def talk_to(name: str, *, phone: bool) -> int:
    """Talks until Ctrl-C or until the bot ends it; 1 with a sentence when it cannot begin."""
    settings = load_settings()
    set_up_logs(settings.log, settings.log_level)
    providers = providers_of(settings)
    bots = load_bots(settings.bots, settings.flows, providers)
    bot = bots.named(name)
    if bot is None:
        for problem in bots.problems:
            print(problem, file=sys.stderr)
        known = ", ".join(sorted(bots.by_name)) or "none"
        print(f"switchboard: {name!r} is not one of the bots that load: {known}", file=sys.stderr)
        return 1
    try:
        asyncio.run(
            talk(
                bot,
                providers=providers,
                phrases=PhraseStore(settings.data / "phrases"),
                models=load_turn_models(),
                phone=phone,
            )
        )
    except LineError as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1
    return 0


def write_new(name: str) -> int:
    """Writes a bot's files and names them; 1 when the name cannot be had."""
    try:
        paths = new_bot(name, Path.cwd())
    except (ValueError, FileExistsError) as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return 1
    for path in paths:
        print(path)
    return 0
