"""What a bot's ``escalation`` asks for: checked against the desks, and given to its flow."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from pipecat.flows import FlowsDirectFunction

from bots.bot import Bot
from bots.config import BotConfig
from bots.desk_words import kept_phrases
from bots.desks import FILE, Desks
from flows.ready_tools import transfer_to_human
from services.problem import Problem


def escalation_problems(path: Path, config: BotConfig, desks: Desks) -> Iterator[Problem]:
    """What keeps a bot from handing callers over as its file says."""
    keys = config.escalation
    if keys is None:
        return
    if config.tts is None:
        remedy = "add stt, llm and tts, or remove it"
        yield Problem(str(path), "escalation", "needs a bot that talks", remedy)
    if "asks_for_human" in keys.on and config.prompt:
        remedy = "write a flow, or `on: [key_0]`"
        yield Problem(str(path), "escalation.on", "asks_for_human needs a flow", remedy)
    for name in keys.to:
        if name not in desks.by_name:
            known = ", ".join(desks.by_name) or f"the desks of {FILE} (none yet)"
            close = get_close_matches(name, desks.by_name, n=1)
            remedy = f"did you mean '{close[0]}'?" if close else f"add it to {path.parent / FILE}"
            yield Problem(str(path), "escalation.to", f"'{name}' is not one of {known}", remedy)


def ready_globals(bot: Bot) -> list[FlowsDirectFunction]:
    """Tools that the bot's flow gets at every node, because ``asks_for_human`` wants them."""
    keys = bot.config.escalation
    wanted = keys is not None and "asks_for_human" in keys.on
    return [transfer_to_human] if wanted and "transfer_to_human" not in bot.tools else []


def transfer_phrases(bot: Bot, desks: Desks) -> Iterator[str]:
    """What a bot says around a transfer word for word, to be kept as audio."""
    names = bot.config.escalation.to if bot.config.escalation else ()
    if names or "transfer_to_human" in bot.tools:
        wanted = [desk for desk in desks.by_name.values() if not names or desk.name in names]
        yield from kept_phrases(bot.name, bot.config.language, wanted)
