"""What happened on a call, one small fact each, in the past tense.

A call is the list of its events; ``CallRecord`` is their fold. Events cross the socket between a
call process and the server as one JSON line each. Fields that hold the caller's words, numbers or
digits carry the ``Private`` mark, so that redaction is one function.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from records.event import Event, Private, PrivateName, PrivateNumber, PrivateText
from records.far_end_events import (
    BeepHeard,
    CallerReminded,
    CallerUnheard,
    FarEndJudged,
    HoldBegan,
    HoldEnded,
    MessageLeft,
)
from records.latency import TurnLatency
from records.line_events import (
    CallPlaced,
    DialEnded,
    DialStarted,
    NumberOptedOut,
    PhoneRang,
    ResultNoted,
)
from records.outcomes import Outcome
from records.transfer_events import (
    CallbackBooked,
    CallBridged,
    DeskAnswered,
    DeskDialled,
    DeskFailed,
    MessageTaken,
    TransferEnded,
    TransferStarted,
)


class CallStarted(Event):
    """A call process took the job; LiveKit builds ``room`` from the caller's number."""

    type: Literal["call_started"] = "call_started"
    direction: Literal["inbound", "outbound"] = "inbound"
    call_type: Literal["sip", "webrtc"] = "sip"
    room: PrivateName


class CallerJoined(Event):
    """The caller's leg is known, and with it the bot that answers."""

    type: Literal["caller_joined"] = "caller_joined"
    caller: PrivateNumber
    dialled: PrivateNumber
    sip_call_id: str = ""
    trunk_id: str = ""
    bot: str | None
    bot_hash: str = ""


class BotReady(Event):
    """All services are connected and the bot's track is published: the line answers now."""

    type: Literal["bot_ready"] = "bot_ready"
    ready_secs: float


class Answered(Event):
    """``sip.callStatus`` became ``active``: both ends hear each other."""

    type: Literal["answered"] = "answered"


class CallerStartedSpeaking(Event):
    """The VAD is sure that the caller speaks."""

    type: Literal["caller_started_speaking"] = "caller_started_speaking"


class CallerStoppedSpeaking(Event):
    """The VAD heard the caller stop."""

    type: Literal["caller_stopped_speaking"] = "caller_stopped_speaking"


class Transcribed(Event):
    """The STT returned words; ``final`` ones do not change any more."""

    type: Literal["transcribed"] = "transcribed"
    text: PrivateText
    final: bool


class TurnEnded(Event):
    """The caller's turn is over; ``turn`` counts from 1."""

    type: Literal["turn_ended"] = "turn_ended"
    turn: int
    text: PrivateText


class TurnMeasured(Event):
    """The bot's answer to ``turn`` began; where the time went."""

    type: Literal["turn_measured"] = "turn_measured"
    turn: int
    latency: TurnLatency


class BotStartedSpeaking(Event):
    """The bot's audio began to play."""

    type: Literal["bot_started_speaking"] = "bot_started_speaking"


class BotStoppedSpeaking(Event):
    """The bot's audio ended."""

    type: Literal["bot_stopped_speaking"] = "bot_stopped_speaking"


class BotSpoke(Event):
    """What was played of the bot's answer to ``turn``; 0 for words unasked, as a greeting."""

    type: Literal["bot_spoke"] = "bot_spoke"
    turn: int
    text: PrivateText
    interrupted: bool


class BotInterrupted(Event):
    """The caller took the floor while the bot spoke."""

    type: Literal["bot_interrupted"] = "bot_interrupted"


class LineHeld(Event):
    """Playback stopped at the first sound of the caller, before it was known to be speech."""

    type: Literal["line_held"] = "line_held"


class LineResumed(Event):
    """The sound was no turn: playback went on at the same word."""

    type: Literal["line_resumed"] = "line_resumed"


class ToolCalled(Event):
    """The LLM asked for a tool."""

    type: Literal["tool_called"] = "tool_called"
    tool_call_id: str
    name: str
    arguments: Annotated[dict[str, Any], Private()]


class ToolReturned(Event):
    """A tool ended; ``error`` is set when it failed or was cancelled."""

    type: Literal["tool_returned"] = "tool_returned"
    tool_call_id: str
    name: str
    secs: float
    error: PrivateText | None = None


class KeysEntered(Event):
    """The caller pressed keys; of secret ones only the ``count`` is known."""

    type: Literal["keys_entered"] = "keys_entered"
    keys: PrivateText
    count: int = 0
    secret: bool = False


class ErrorRaised(Event):
    """A processor reported an error, or a border caught one."""

    type: Literal["error_raised"] = "error_raised"
    source: str
    message: str


class CallEnded(Event):
    """The call is over, for one reason of one list.

    Parameters:
        outcome: Why, in our words.
        reason: Why, in the words of who caused it, e.g. ``caller:CLIENT_INITIATED``.
    """

    type: Literal["call_ended"] = "call_ended"
    outcome: Outcome
    reason: str = ""


class RecordingStarted(Event):
    """The recording's first sample was taken: its ``t`` is the recording's zero."""

    type: Literal["recording_started"] = "recording_started"


class RecordingStored(Event):
    """The recording lies where it will stay."""

    type: Literal["recording_stored"] = "recording_stored"
    uri: str
    secs: float


class TapeMeasured(Event):
    """What the recording itself shows; ``report`` is ``TapeReport.model_dump(mode="json")``."""

    type: Literal["tape_measured"] = "tape_measured"
    report: dict[str, Any]


AnyEvent = Annotated[
    CallStarted
    | CallerJoined
    | BotReady
    | Answered
    | CallerStartedSpeaking
    | CallerStoppedSpeaking
    | Transcribed
    | TurnEnded
    | TurnMeasured
    | BotStartedSpeaking
    | BotStoppedSpeaking
    | BotSpoke
    | BotInterrupted
    | LineHeld
    | LineResumed
    | ToolCalled
    | ToolReturned
    | KeysEntered
    | ErrorRaised
    | CallEnded
    | RecordingStarted
    | RecordingStored
    | TapeMeasured
    | TransferStarted
    | DeskDialled
    | DeskAnswered
    | DeskFailed
    | CallBridged
    | TransferEnded
    | MessageTaken
    | CallbackBooked
    | CallPlaced
    | ResultNoted
    | NumberOptedOut
    | DialStarted
    | PhoneRang
    | DialEnded
    | HoldBegan
    | HoldEnded
    | CallerReminded
    | CallerUnheard
    | FarEndJudged
    | BeepHeard
    | MessageLeft,
    Field(discriminator="type"),
]

EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)
"""Reads any event: ``EVENT.validate_json(line)``."""
