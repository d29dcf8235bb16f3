"""What the far end does beyond speaking: it holds the line, says nothing, is a machine."""

from typing import Literal

from records.event import Event


class HoldBegan(Event):
    """The far end put the call on hold: what it sends is dead silence, or nothing at all."""

    type: Literal["hold_began"] = "hold_began"


class HoldEnded(Event):
    """The far end is back after ``secs``."""

    type: Literal["hold_ended"] = "hold_ended"
    secs: float


class CallerReminded(Event):
    """The caller had said nothing for ``silent_secs``: the bot spoke for the ``number``-th time."""

    type: Literal["caller_reminded"] = "caller_reminded"
    number: int
    silent_secs: float


class CallerUnheard(Event):
    """The VAD heard the caller speak, and the STT no word of it, ``turns`` times in a row."""

    type: Literal["caller_unheard"] = "caller_unheard"
    turns: int


class FarEndJudged(Event):
    """Who answered an outgoing call.

    Parameters:
        verdict: Person or answering machine.
        by: The words that were said, the machine's beep, or silence.
        retry_after_secs: When another attempt is worth while; None: it is not, or not asked for.
    """

    type: Literal["far_end_judged"] = "far_end_judged"
    verdict: Literal["person", "machine"]
    by: Literal["words", "beep", "silence"]
    retry_after_secs: int | None = None


class BeepHeard(Event):
    """A machine beeped: a single tone of ``secs``."""

    type: Literal["beep_heard"] = "beep_heard"
    hz: float
    secs: float


class MessageLeft(Event):
    """The message was played to a machine, whole."""

    type: Literal["message_left"] = "message_left"
