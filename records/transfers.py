"""What became of handing a caller to a person, as the record keeps it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from records.event import PrivateNumber, PrivateText

TransferOutcome = Literal[
    "answered",
    "busy",
    "no_answer",
    "declined",
    "voicemail",
    "refused",
    "failed",
    "caller_gone",
    "unknown",
]
"""``answered``: both talked, or a REFER succeeded. ``unknown``: a REFER whose end nobody told."""

TransferMode = Literal["warm", "cold"]


class TransferAttempt(BaseModel):
    """One number of a desk that was tried.

    Parameters:
        number: Who was dialled.
        at_secs: When, in seconds since the call began.
        outcome: What came of it; None while it is open.
        sip_code: The final SIP status, where it is known.
        sip_status: Its reason phrase, or LiveKit's words.
        answered_secs: When somebody, or something, took the phone off the hook.
    """

    model_config = ConfigDict(frozen=True)

    number: PrivateNumber
    at_secs: float
    outcome: TransferOutcome | None = None
    sip_code: int | None = None
    sip_status: str = ""
    answered_secs: float | None = None


class TransferRecord(BaseModel):
    """One transfer, from the wish to its end.

    Parameters:
        desk: Who was wanted.
        mode: ``warm``: the person was told first; ``cold``: by REFER.
        reason: Why, in the words of who asked for it.
        at_secs: When it began, in seconds since the call began.
        bridged_secs: When caller and person heard each other.
        ended_secs: When the talk, or the attempt, was over.
        outcome: What came of it; None while it runs.
        called_back: The bot was called back by the ``*`` key.
        attempts: The numbers that were tried, in order.
    """

    model_config = ConfigDict(frozen=True)

    desk: str
    mode: TransferMode
    reason: PrivateText = ""
    at_secs: float
    bridged_secs: float | None = None
    ended_secs: float | None = None
    outcome: TransferOutcome | None = None
    called_back: bool = False
    attempts: list[TransferAttempt] = []


class Message(BaseModel):
    """What a caller wants somebody to be told.

    Parameters:
        text: The message.
        name: Who left it.
        number: Where they can be reached.
        at_secs: When, in seconds since the call began.
    """

    model_config = ConfigDict(frozen=True)

    text: PrivateText
    name: PrivateText = ""
    number: PrivateNumber = ""
    at_secs: float


class Callback(BaseModel):
    """A call that the caller was promised.

    Parameters:
        number: Whom to call.
        when: ISO date and time, or the caller's own words for it.
        topic: What about.
        at_secs: When it was promised, in seconds since the call began.
    """

    model_config = ConfigDict(frozen=True)

    number: PrivateNumber
    when: str
    topic: PrivateText = ""
    at_secs: float
