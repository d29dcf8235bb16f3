"""The call as a story: one line for everything worth telling, from the server's events."""

from dataclasses import dataclass
from typing import Literal

from records.events import (
    Answered,
    AnyEvent,
    BotInterrupted,
    BotReady,
    BotSpoke,
    BotStartedSpeaking,
    BotStoppedSpeaking,
    CallEnded,
    CallerJoined,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    ErrorRaised,
    ToolReturned,
    TurnEnded,
    TurnMeasured,
)
from records.latency import TurnLatency
from records.transfer_events import CallBridged, DeskAnswered, DeskFailed, TransferStarted

Who = Literal["caller", "bot", "human", "line", "tool", "time", "error"]
_STAGES = {
    "endpointing": "silence",
    "transcription": "transcript",
    "turn_decision": "turn end",
    "llm": "llm",
    "tools": "tools",
    "sentence": "sentence",
    "synthesis": "voice",
    "output": "out",
}


@dataclass(frozen=True)
class StoryLine:
    """One line of the story.

    Parameters:
        t: Seconds since the call began.
        who: Whom it is about.
        text: What happened.
    """

    t: float
    who: Who
    text: str


class Story:
    """Tells one call from its events.

    Parameters:
        lines: Told so far.
        caller_speaks: By the bot's VAD.
        bot_speaks: By the bot's own account.
        ended: Whether the call is over.
    """

    def __init__(self):
        """Initialize before the first event."""
        self.lines: list[StoryLine] = []
        self.caller_speaks = False
        self.bot_speaks = False
        self.ended = False

    def take(self, event: AnyEvent) -> StoryLine | None:
        """Take the next event; returns its line, if it is worth one."""
        self._follow(event)
        told = _tell(event)
        if told is None:
            return None
        line = StoryLine(event.t, *told)
        self.lines.append(line)
        return line

    def _follow(self, event: AnyEvent) -> None:
        match event:
            case CallerStartedSpeaking():
                self.caller_speaks = True
            case CallerStoppedSpeaking():
                self.caller_speaks = False
            case BotStartedSpeaking():
                self.bot_speaks = True
            case BotStoppedSpeaking() | BotInterrupted():
                self.bot_speaks = False
            case CallEnded():
                self.caller_speaks = self.bot_speaks = False
                self.ended = True


def stages(latency: TurnLatency) -> str:
    """Where a turn's wait went, in milliseconds; stages below 5 ms are left out."""
    parts = [
        f"{label} {getattr(latency, name) * 1000:.0f}"
        for name, label in _STAGES.items()
        if getattr(latency, name) >= 0.005
    ]
    return f"{latency.total * 1000:.0f} ms = " + " + ".join(parts)


def _tell(event: AnyEvent) -> tuple[Who, str] | None:
    match event:
        case CallerJoined():
            return "line", f"{event.dialled} is dialled; {event.bot or 'no bot'} takes the call"
        case BotReady():
            return "line", "services are connected, the bot publishes its track: 200 OK"
        case Answered():
            return "line", "both ends hear each other"
        case TurnEnded(text=text) if text:
            return "caller", text
        case BotSpoke(text=text) if text:
            return "bot", text + (" …" if event.interrupted else "")
        case BotInterrupted():
            return "line", "the caller interrupts: the bot falls silent"
        case ToolReturned():
            what = f"failed: {event.error}" if event.error else f"{event.secs * 1000:.0f} ms"
            return "tool", f"{event.name} ({what})"
        case TurnMeasured():
            return "time", stages(event.latency)
        case ErrorRaised():
            return "error", f"{event.source}: {event.message}"
        case TransferStarted():
            return "line", f"the bot calls {event.desk.replace('_', ' ')}; the caller hears music"
        case DeskAnswered():
            return "human", "picks up; the bot tells who calls and why"
        case DeskFailed():
            return "human", f"does not take the call: {event.outcome.replace('_', ' ')}"
        case CallBridged():
            return "line", "caller and human hear each other"
        case CallEnded():
            return "line", f"the call is over: {event.outcome}"
    return None
