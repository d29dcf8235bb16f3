"""``switchboard talk`` and ``switchboard new``: for people who write bots."""

import asyncio
import sys
from pathlib import Path

from pydantic import ValidationError

from server.logs import set_up_logs
from server.setting_problems import invalid_settings
from server.settings import load_settings


def talk_to(name: str, *, phone: bool) -> int:
    """Talks until Ctrl-C or until the bot ends it; 1 with a sentence when it cannot begin."""
    try:
        settings = load_settings()
    except ValidationError as error:
        return _refused(*map(str, invalid_settings(error)))
    # The conversation is shown as it goes; the milestones of a call would be in its way.
    set_up_logs(settings.log, "WARNING" if settings.log_level == "INFO" else settings.log_level)
    from bots.loading import load_bots
    from bots.talk import talk
    from processors.turn_models import load_turn_models
    from server.preload import providers_of
    from services.phrases import PhraseStore
    from services.providers import ProviderError
    from transports.line_error import LineError

    providers = providers_of(settings)
    bots = load_bots(settings.bots, settings.flows, providers)
    bot = bots.named(name)
    if bot is None:
        known = ", ".join(sorted(bots.by_name)) or "none"
        lines = [f"{name!r} is not one of the bots that load: {known}", *map(str, bots.problems)]
        return _refused(*lines)
    conversation = talk(
        bot,
        providers=providers,
        phrases=PhraseStore(settings.data / "phrases"),
        models=load_turn_models(),
        phone=phone,
        data_dir=settings.data,
    )
    try:
        asyncio.run(conversation)
    except (LineError, ProviderError) as error:
        return _refused(str(error))
    except KeyboardInterrupt:
        print()
    return 0


def write_new(name: str) -> int:
    """Writes a bot's files beside the others and names them; 1 when the name cannot be had."""
    settings = load_settings()
    set_up_logs(settings.log, "WARNING")
    from bots.scaffold import new_bot

    root = settings.bots.resolve().parent
    try:
        paths = new_bot(name, root)
    except (ValueError, FileExistsError) as error:
        return _refused(str(error))
    for path in paths:
        print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 0


def _refused(*lines: str) -> int:
    for line in lines:
        print(f"switchboard: {line}", file=sys.stderr)
    return 1
