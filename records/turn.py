"""What a record keeps of one turn, one tool and one error."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from records.event import Private, PrivateText
from records.latency import TurnLatency


class Turn(BaseModel):
    """What the caller said and what the bot answered.

    Parameters:
        number: 1, 2, 3 …; 0 when the bot spoke unasked, as a greeting or a reprompt.
        at_secs: When the caller's turn ended, or the unasked words were over, since the call began.
        caller_text: The caller's words; empty when the bot spoke unasked.
        bot_text: The bot's words as far as they were played.
        interrupted: The caller took the floor before the bot was done.
        latency: Where the wait went, traced in the pipeline; None for a turn without an answer.
        traced_secs: The sum of ``latency``.
        heard_secs: Last sound of the caller to the first sound of the bot, measured on the tape.
        tools: Names of the tools called for the answer, in order.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    at_secs: float
    caller_text: PrivateText = ""
    bot_text: PrivateText = ""
    interrupted: bool = False
    latency: TurnLatency | None = None
    traced_secs: float | None = None
    heard_secs: float | None = None
    tools: list[str] = []


class ToolUse(BaseModel):
    """A tool that the LLM asked for.

    Parameters:
        turn: The turn it was asked for in; 0 before the first.
        at_secs: When it was called, in seconds of the call.
        secs: How long it ran; None if it did not return before the call was over.
        error: Why it failed, None if it did not.
    """

    model_config = ConfigDict(frozen=True)

    tool_call_id: str
    name: str
    arguments: Annotated[dict[str, Any], Private()] = {}
    turn: int
    at_secs: float
    secs: float | None = None
    error: PrivateText | None = None


class CallError(BaseModel):
    """An error on the call.

    Parameters:
        at_secs: When, in seconds of the call.
        source: Which processor or border reported it.
    """

    model_config = ConfigDict(frozen=True)

    at_secs: float
    source: str
    message: str
