"""What someone on a simulated call can do: one class a step of a script."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Secs = Annotated[float, Field(gt=0, le=300)]


class Strict(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Say(Strict):
    """Speaks; by default once the bot has answered and then been quiet for a while.

    Parameters:
        say: The words.
        quiet_secs: How long the bot must have been silent.
        over_bot_after: Speaks over the bot, this long after its first sound.
        at_once: Speaks now, whoever else does.
        within_secs: How long to wait for the bot's answer (or its first sound).
    """

    say: Annotated[str, Field(min_length=1)]
    quiet_secs: Secs = 0.7
    over_bot_after: Annotated[float, Field(ge=0, le=30)] | None = None
    at_once: bool = False
    within_secs: Secs = 10.0

    @model_validator(mode="after")
    def _one_way_to_begin(self) -> "Say":
        if self.at_once and self.over_bot_after is not None:
            raise ValueError("'at_once' and 'over_bot_after' exclude each other")
        return self


class Chat(Strict):
    """Keeps a conversation up: says the next line each time the far end has spoken.

    Ends when all are said or the far end hangs up; both are right.

    Parameters:
        chat: The lines, in order.
        quiet_secs: How long the far end must have been silent.
        within_secs: How long it may be silent before the next line is said all the same.
    """

    chat: Annotated[list[str], Field(min_length=1)]
    quiet_secs: Secs = 0.7
    within_secs: Secs = 30.0


class Expect(Strict):
    """Waits until each phrase has been said since this side last spoke or pressed keys.

    Parameters:
        expect: Phrases; each may offer alternatives separated by `` | ``.
        voice: Who must say them: ``first`` is the voice heard first on the call (the bot's),
            ``other`` is any other.
        ever: Counts what was heard since the call began.
        within_secs: Limit, counted from the start of this step; who speaks is heard out.
    """

    expect: Annotated[list[str], Field(min_length=1)]
    voice: Literal["any", "first", "other"] = "any"
    ever: bool = False
    within_secs: Secs = 12.0


class Hear(Strict):
    """Waits until music, or any held tone, has been heard.

    Parameters:
        hear: What.
        for_secs: How long it must have played.
        within_secs: Limit.
    """

    hear: Literal["music"]
    for_secs: Secs = 1.0
    within_secs: Secs = 12.0


class Keys(Strict):
    """Presses keys (RFC 4733), in the middle of whatever the bot says.

    Parameters:
        keys: Which.
        over_bot_after: Waits until the bot has been speaking for so long.
        within_secs: How long to wait for that.
    """

    keys: Annotated[str, Field(pattern=r"^[0-9*#A-D]+$")]
    over_bot_after: Annotated[float, Field(ge=0, le=30)] | None = None
    within_secs: Secs = 10.0


class Beep(Strict):
    """Plays the tone of an answering machine for so many seconds."""

    beep: Annotated[float, Field(gt=0, le=5)]


class Wait(Strict):
    """Says nothing for so many seconds."""

    wait: Secs


class HangUp(Strict):
    """Hangs up now; with ``after_quiet_secs`` once the bot has finished speaking."""

    hang_up: Literal[True]
    after_quiet_secs: Annotated[float, Field(ge=0, le=30)] = 0.0


class BotHangsUp(Strict):
    """Waits for the far end to end the call."""

    bot_hangs_up: Literal[True]
    within_secs: Secs = 15.0


Step = Say | Chat | Expect | Hear | Keys | Beep | Wait | HangUp | BotHangsUp
STEPS: dict[str, type[Step]] = {
    "say": Say,
    "chat": Chat,
    "expect": Expect,
    "hear": Hear,
    "keys": Keys,
    "beep": Beep,
    "wait": Wait,
    "hang_up": HangUp,
    "bot_hangs_up": BotHangsUp,
}
