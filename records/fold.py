"""Takes a call's events one by one and knows the record's fields after each."""

from typing import Any

from records.dial import DialFold
from records.event import Event
from records.events import (
    Answered,
    BotInterrupted,
    BotReady,
    BotSpoke,
    BotStartedSpeaking,
    CallEnded,
    CallerJoined,
    CallStarted,
    ErrorRaised,
    KeysEntered,
    RecordingStarted,
    RecordingStored,
    TapeMeasured,
    ToolCalled,
    ToolReturned,
    Transcribed,
    TurnEnded,
    TurnMeasured,
)
from records.far_end import FarEndFold
from records.fold_transfers import TransferFold
from records.heard import heard_by_turn
from records.percentiles import Percentiles
from records.turn import CallError, ToolUse, Turn


class Fold:
    """The state of a call between two events. Takes them in order, each once."""

    def __init__(self):
        self._fields: dict[str, Any] = {}
        self._turns: list[dict[str, Any]] = []
        self._answer_began: dict[int, float] = {}
        self._tools: dict[str, dict[str, Any]] = {}
        self._errors: list[CallError] = []
        self._unfinished: list[str] = []
        self._keys: list[str] = []
        self._interruptions = 0
        self._started_t = 0.0
        self._answered_t: float | None = None
        self._recording_began: float | None = None
        self._first_bot_sound: float | None = None
        self._dial = DialFold()
        self._handed_over = TransferFold()
        self._far_end = FarEndFold()

    def take(self, event: Event) -> None:
        """Add one event.

        Raises:
            ValueError: If it is of another call than the ones before.
        """
        fields = self._fields
        if not fields:
            fields.update(call_id=event.call_id, started_at=event.at)
            self._started_t = event.t
        elif event.call_id != fields["call_id"]:
            raise ValueError(
                f"event of call {event.call_id!r} among those of {fields['call_id']!r}"
            )
        fields["last_seq"] = event.seq
        self._take_line(event)
        self._dial.take(event)
        self._handed_over.take(event)
        self._far_end.take(event)
        self._take_talk(event)
        self._take_tape(event)

    def fields(self) -> dict[str, Any]:
        """What the record holds after the events so far."""
        heard = self._heard()
        turns = [Turn(**turn, heard_secs=heard.get(at)) for at, turn in enumerate(self._turns)]
        return {
            **self._fields,
            **self._dial.fields(),
            **self._handed_over.fields(),
            **self._far_end.fields(),
            "turns": turns,
            "tools": [ToolUse(**tool) for tool in self._tools.values()],
            "errors": self._errors,
            "unfinished_text": " ".join(self._unfinished),
            "keys": "".join(self._keys),
            "interruptions": self._interruptions,
            "latency_traced": Percentiles.of(
                t.traced_secs for t in turns if t.traced_secs is not None
            ),
            "latency_heard": Percentiles.of(
                t.heard_secs for t in turns if t.heard_secs is not None
            ),
        }

    def _take_line(self, event: Event) -> None:
        fields = self._fields
        match event:
            case CallStarted():
                fields.update(direction=event.direction, room=event.room)
                fields["call_type"] = event.call_type
            case CallerJoined():
                fields.update(
                    caller=event.caller,
                    dialled=event.dialled,
                    sip_call_id=event.sip_call_id,
                    trunk_id=event.trunk_id,
                    bot=event.bot,
                    bot_hash=event.bot_hash,
                )
            case BotReady():
                fields.setdefault("ready_secs", event.ready_secs)
            case Answered() if self._answered_t is None:
                fields["answered_at"] = event.at
                self._answered_t = event.t
            case CallEnded() if "outcome" not in fields:
                # The first reason is the cause; what the teardown says later is its consequence.
                talked_from = event.t if self._answered_t is None else self._answered_t
                fields.update(
                    outcome=event.outcome,
                    reason=event.reason,
                    ended_at=event.at,
                    duration_secs=round(event.t - self._started_t, 6),
                    talk_secs=round(event.t - talked_from, 6),
                )
            case ErrorRaised():
                error = CallError(at_secs=event.t, source=event.source, message=event.message)
                self._errors.append(error)

    def _take_talk(self, event: Event) -> None:
        match event:
            case Transcribed(final=True):
                self._unfinished.append(event.text)
            case TurnEnded():
                self._unfinished.clear()
                self._add_turn(event.turn, event.t)["caller_text"] = event.text
            case TurnMeasured():
                at, turn = self._turn(event.turn, event.t)
                turn.update(latency=event.latency, traced_secs=round(event.latency.total, 6))
                self._answer_began.setdefault(at, event.t)
            case BotStartedSpeaking():
                if self._first_bot_sound is None:
                    self._first_bot_sound = event.t
                if self._turns and self._turns[-1]["number"]:
                    self._answer_began.setdefault(len(self._turns) - 1, event.t)
            case BotSpoke():
                self._take_bot_spoke(event)
            case BotInterrupted():
                self._interruptions += 1
            case KeysEntered():
                self._keys.append(event.keys)
            case ToolCalled() | ToolReturned():
                self._take_tool(event)

    def _take_tape(self, event: Event) -> None:
        match event:
            case RecordingStarted() if self._recording_began is None:
                self._recording_began = event.t
            case RecordingStored():
                self._fields.update(recording=event.uri, recording_secs=event.secs)
            case TapeMeasured():
                self._fields["tape"] = event.report

    def _take_bot_spoke(self, event: BotSpoke) -> None:
        if event.turn:
            _, turn = self._turn(event.turn, event.t)
        else:
            turn = self._add_turn(0, event.t)
        turn["bot_text"] = f"{turn['bot_text']} {event.text}".strip()
        turn["interrupted"] |= event.interrupted

    def _take_tool(self, event: ToolCalled | ToolReturned) -> None:
        tool = self._tools.get(event.tool_call_id)
        if tool is None:
            asked_in = next((t for t in reversed(self._turns) if t["number"]), None)
            tool = self._tools[event.tool_call_id] = {
                "tool_call_id": event.tool_call_id,
                "name": event.name,
                "turn": asked_in["number"] if asked_in else 0,
                "at_secs": event.t,
            }
            if asked_in:
                asked_in["tools"].append(event.name)
        if isinstance(event, ToolCalled):
            tool["arguments"] = event.arguments
        else:
            tool.update(secs=event.secs, error=event.error)

    def _turn(self, number: int, t: float) -> tuple[int, dict[str, Any]]:
        """The latest turn of that number with its place, made if its end was never heard of."""
        for at in range(len(self._turns) - 1, -1, -1):
            if self._turns[at]["number"] == number:
                return at, self._turns[at]
        return len(self._turns), self._add_turn(number, t)

    def _add_turn(self, number: int, t: float) -> dict[str, Any]:
        turn = {
            "number": number,
            "at_secs": t,
            "caller_text": "",
            "bot_text": "",
            "interrupted": False,
            "tools": [],
        }
        self._turns.append(turn)
        return turn

    def _heard(self) -> dict[int, float]:
        tape = self._fields.get("tape")
        if tape is None:
            return {}
        began = dict(sorted(self._answer_began.items(), key=lambda place: place[1]))
        return heard_by_turn(began, tape, self._recording_began, self._first_bot_sound)
