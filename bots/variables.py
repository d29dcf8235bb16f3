r"""What a call is about: ``{{ name }}`` in what a bot says, filled for each call.

As in Pipecat's flows ``\{{ name }}`` is left as it stands, without the backslash.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bots.bot import Bot
    from bots.config import BotConfig

ALWAYS = frozenset({"today", "caller", "dialled"})
"""What flows may say of every call."""
_PLACEHOLDER = re.compile(r"(\\?)\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")


class MissingVariableError(Exception):
    """A call does not bring what its bot says.

    Parameters:
        names: The variables without a value.
    """

    def __init__(self, bot: str, names: list[str]):
        super().__init__(f"{bot} needs a value for {', '.join(names)}")
        self.names = names


def placeholders(text: str) -> Iterator[str]:
    """The names in a text, in order."""
    return (found[2] for found in _PLACEHOLDER.finditer(text) if not found[1])


def rendered(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of their names.

    Raises:
        KeyError: If one is missing.
    """

    def value(found: re.Match[str]) -> str:
        return found[0][1:] if found[1] else values[found[2]]

    return _PLACEHOLDER.sub(value, text)


def filled(bot: "Bot", given: Mapping[str, str]) -> "Bot":
    """The bot of one call, with everything it says filled in.

    Args:
        bot: The bot as it was loaded.
        given: What the call brings; beyond that the defaults count.

    Raises:
        MissingVariableError: If a variable has neither.
    """
    declared = bot.config.variables
    values = {
        name: given.get(name) or default or ""
        for name, default in declared.items()
        if given.get(name) or default is not None
    }
    missing = [name for name in declared if name not in values]
    if missing:
        raise MissingVariableError(bot.name, missing)
    if not declared:
        return bot
    said: dict[str, object] = {"greeting": rendered(bot.config.greeting, values)}
    if voicemail := bot.config.voicemail:
        message = rendered(voicemail.message, values)
        said["voicemail"] = voicemail.model_copy(update={"message": message})
    return replace(
        bot,
        config=bot.config.model_copy(update=said),
        prompt=rendered(bot.prompt, values),
        variables=values,
    )


def said_in_all(bot: "Bot") -> Iterator[str]:
    """Greeting and message, as far as every call of a bot has the same."""
    voicemail, values = bot.config.voicemail, bot.config.variables
    for text in (bot.config.greeting, voicemail.message if voicemail else ""):
        if text and all(values.get(name) is not None for name in placeholders(text)):
            yield rendered(text, {name: value or "" for name, value in values.items()})


def problems_of(config: "BotConfig", prompt: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a bot's variables: key, problem, remedy."""
    variables, numbers = config.variables, config.numbers
    message = config.voicemail.message if config.voicemail else ""
    texts = {"greeting": config.greeting, "prompt": prompt, "voicemail.message": message}
    for key, text in texts.items():
        for name in dict.fromkeys(placeholders(text)):
            if name not in variables:
                known = ", ".join(variables) or "none"
                message = f"'{{{{ {name} }}}}' is not one of the bot's variables ({known})"
                yield key, message, f"add `{name}:` under `variables:`, or remove it"
    required = [name for name, default in variables.items() if default is None]
    if required and numbers:
        message = f"{', '.join(required)}: nobody gives a value when the bot is called"
        yield "variables", message, "give a default, or leave `numbers` to another bot"
