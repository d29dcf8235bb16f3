from datetime import UTC, datetime, timedelta

from records.event import Event
from records.events import (
    Answered,
    BotInterrupted,
    BotReady,
    BotSpoke,
    BotStartedSpeaking,
    BotStoppedSpeaking,
    CallEnded,
    CallerJoined,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    CallStarted,
    ErrorRaised,
    KeysEntered,
    LineHeld,
    LineResumed,
    RecordingStarted,
    RecordingStored,
    TapeMeasured,
    ToolCalled,
    ToolReturned,
    Transcribed,
    TurnEnded,
    TurnMeasured,
)
from records.latency import TurnLatency
from records.log import EventLog

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def latency(llm: float = 0.3) -> TurnLatency:
    return TurnLatency(
        endpointing=0.2,
        transcription=0.05,
        turn_decision=0.03,
        llm=llm,
        sentence=0.1,
        synthesis=0.06,
        output=0.01,
    )


class FakeCall:
    """Writes events at the seconds of the call that a test names."""

    def __init__(self, call_id: str = "call-1", began: datetime = NOON):
        self.events: list[Event] = []
        self.t = 0.0
        self.log = EventLog(
            call_id,
            self.events.append,
            now=lambda: self.t,
            utc_now=lambda: began + timedelta(seconds=self.t),
        )

    def at(self, t: float, kind: type[Event], **fields) -> Event:
        self.t = t
        return self.log.add(kind, **fields)


def tape(*turns: tuple[float, float], first_bot_sound: float = 0.1) -> dict:
    """A tape's report: pairs of when the caller fell silent and when the bot began."""
    return {
        "bot_spans": [{"start": first_bot_sound, "end": first_bot_sound + 1}],
        "turns": [
            {
                "caller_ended_at": ended,
                "bot_started_at": began,
                "heard_secs": round(began - ended, 6),
            }
            for ended, began in turns
        ],
    }


def booking(call_id: str = "call-1", began: datetime = NOON) -> list[Event]:
    """A whole call: a greeting, two turns, a tool, a key, an error, a goodbye."""
    call = FakeCall(call_id, began)
    call.at(0.0, CallStarted, room="call-+15557777001_Xy12")
    call.at(
        0.1,
        CallerJoined,
        caller="+15557777001",
        dialled="+15550100",
        bot="receptionist",
        bot_hash="abc",
    )
    call.at(0.3, BotReady, ready_secs=0.2)
    call.at(0.5, Answered)
    call.at(0.5, RecordingStarted)
    call.at(0.6, BotStartedSpeaking)
    call.at(2.6, BotStoppedSpeaking)
    call.at(2.6, BotSpoke, turn=0, text="Blue Door, good evening.", interrupted=False)
    call.at(3.0, CallerStartedSpeaking)
    call.at(4.0, Transcribed, text="a table", final=False)
    call.at(4.4, CallerStoppedSpeaking)
    call.at(4.45, Transcribed, text="A table for two.", final=True)
    call.at(4.5, TurnEnded, turn=1, text="A table for two.")
    call.at(4.6, ToolCalled, tool_call_id="t1", name="find_table", arguments={"people": 2})
    call.at(4.8, ToolReturned, tool_call_id="t1", name="find_table", secs=0.2)
    call.at(5.0, BotStartedSpeaking)
    call.at(5.0, TurnMeasured, turn=1, latency=latency())
    call.at(6.0, LineHeld)
    call.at(6.2, LineResumed)
    call.at(6.5, CallerStartedSpeaking)
    call.at(6.6, BotInterrupted)
    call.at(6.6, BotStoppedSpeaking)
    call.at(6.7, BotSpoke, turn=1, text="At eight or at", interrupted=True)
    call.at(7.0, CallerStoppedSpeaking)
    call.at(7.2, Transcribed, text="Eight.", final=True)
    call.at(7.3, TurnEnded, turn=2, text="Eight.")
    call.at(7.9, BotStartedSpeaking)
    call.at(7.9, TurnMeasured, turn=2, latency=latency(llm=0.5))
    call.at(8.5, KeysEntered, keys="1")
    call.at(8.6, KeysEntered, keys="2#")
    call.at(9.0, ErrorRaised, source="DeepgramSTTService", message="connection lost")
    call.at(9.5, BotStoppedSpeaking)
    call.at(9.5, BotSpoke, turn=2, text="Eight it is.", interrupted=False)
    call.at(10.2, Transcribed, text="Oh, and", final=True)
    call.at(10.5, CallEnded, outcome="caller_hung_up", reason="caller:CLIENT_INITIATED")
    call.at(10.6, RecordingStored, uri="memory://recordings/call-1.wav", secs=10.0)
    call.at(10.7, TapeMeasured, report=tape((3.7, 4.55), (6.6, 7.45)))
    return call.events
