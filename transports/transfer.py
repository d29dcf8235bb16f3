"""Handing a caller to a person, as a state machine: events and the time in, actions out.

Warm: a person is dialled on a line of their own while the caller waits, is told who calls and
why, and takes the call or not; numbers are tried in order. Cold: the caller's phone is sent to a
number by REFER (RFC 3515), once everything said was played. Nothing here sends or plays anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from records.transfers import TransferOutcome
from transports.leg import LegOutcome, LegResult
from transports.transfer_steps import (
    Actions,
    Announce,
    Announced,
    AskAgain,
    Asked,
    Bridge,
    Brief,
    Broke,
    CalledBack,
    CallerLeft,
    CancelDial,
    Dial,
    Dialled,
    EndCall,
    HangUpHuman,
    Heard,
    HumanLeft,
    Note,
    PlayHold,
    Refer,
    Referred,
    Return,
    TimeUp,
    TransferEvent,
    TransferPlan,
    TransferResult,
    Unbridge,
)

# How much longer than it rings a dial or REFER may take to be answered for.
RESULT_MARGIN_SECS = 10.0
# The end of a REFER whose caller has left already: their phone was sent, or gave up.
REFERRED_SECS = 3.0

BY_LEG: Mapping[LegOutcome, TransferOutcome] = {
    "answered": "answered",
    "busy": "busy",
    "no_answer": "no_answer",
    "declined": "declined",
    "invalid_number": "refused",
    "refused": "refused",
    "trunk_failure": "failed",
    "failed": "failed",
    "unknown": "unknown",
}

Phase = Literal[
    "new", "announcing", "referring", "dialling", "briefing", "asking", "bridged", "over"
]


@dataclass
class Transfer:
    """One transfer.

    Parameters:
        plan: What to try.
        phase: Where it stands.
        deadline: When ``TimeUp`` is due; None while nothing is timed.
        result: How it ended; None before.
        bridged: Whether caller and person heard each other at some time.
    """

    plan: TransferPlan
    phase: Phase = "new"
    deadline: float | None = None
    result: TransferResult | None = None
    bridged: bool = False
    _tried: int = 0
    _questions: int = 0
    _caller_is_gone: bool = False
    _handlers: dict[Phase, Callable[[TransferEvent, float], Actions]] = field(init=False)

    def __post_init__(self):
        """Join each phase to what it makes of an event."""
        self._handlers = {
            "announcing": self._while_announcing,
            "referring": self._while_referring,
            "dialling": self._while_dialling,
            "briefing": self._while_with_human,
            "asking": self._while_with_human,
            "bridged": self._while_bridged,
        }

    def begin(self, now: float) -> Actions:
        """The first actions."""
        if self.plan.mode == "cold":
            self.phase = "announcing"
            return [Announce()]
        return [Announce(), *self._next(now)]

    def take(self, event: TransferEvent, now: float) -> Actions:
        """What is to be done about an event; one that comes too late asks for nothing."""
        handler = self._handlers.get(self.phase)
        return handler(event, now) if handler else []

    # -- cold ------------------------------------------------------------------------------------

    def _while_announcing(self, event: TransferEvent, now: float) -> Actions:
        match event:
            case Announced():
                return self._refer(now)
            case CallerLeft():
                return self._over(TransferResult("caller_gone"))
            case Broke():
                return [*self._over(TransferResult("failed", None, event.why)), Return()]
        return []

    def _refer(self, now: float) -> Actions:
        number = self.plan.numbers[self._tried]
        self._tried += 1
        self.phase, self.deadline = "referring", now + self.plan.ring_secs + RESULT_MARGIN_SECS
        return [Refer(number)]

    def _while_referring(self, event: TransferEvent, now: float) -> Actions:
        match event:
            case Referred():
                return self._referred(event.result, now)
            case CallerLeft():
                # A phone that was sent on may leave before its bridge tells that it worked.
                self._caller_is_gone, self.deadline = True, now + REFERRED_SECS
            case TimeUp():
                gone = self._caller_is_gone
                return self._end_of_refer(TransferResult("caller_gone" if gone else "unknown"))
            case Broke():
                return self._end_of_refer(TransferResult("failed", None, event.why))
        return []

    def _referred(self, result: LegResult, now: float) -> Actions:
        outcome = BY_LEG[result.outcome]
        end = TransferResult(outcome, result.sip_code, result.sip_status)
        if outcome == "answered":
            return [*self._over(end), EndCall()]
        if self._caller_is_gone:
            return self._over(TransferResult("caller_gone"))
        # An end that nobody told may still become a call: a second one must not ring beside it.
        if outcome != "unknown" and self._tried < len(self.plan.numbers):
            return [Note(outcome, result.sip_code, result.sip_status), *self._refer(now)]
        return self._end_of_refer(end)

    def _end_of_refer(self, result: TransferResult) -> Actions:
        return [*self._over(result), *([] if self._caller_is_gone else [Return()])]

    # -- warm ------------------------------------------------------------------------------------

    def _next(self, now: float) -> Actions:
        number = self.plan.numbers[self._tried]
        self._tried += 1
        self._questions = 0
        self.phase, self.deadline = "dialling", now + self.plan.ring_secs + RESULT_MARGIN_SECS
        return [Dial(number)]

    def _while_dialling(self, event: TransferEvent, now: float) -> Actions:
        match event:
            case Announced():
                return [PlayHold()]
            case Dialled(result) if result.outcome == "answered":
                self.phase, self.deadline = "briefing", None
                return [Brief()]
            case Dialled(result):
                return self._missed(BY_LEG[result.outcome], now, result)
            case TimeUp():
                return [CancelDial(), *self._missed("no_answer", now)]
            case CallerLeft():
                return [CancelDial(), *self._over(TransferResult("caller_gone"))]
            case Broke():
                failed = TransferResult("failed", None, event.why)
                return [CancelDial(), *self._over(failed), Return()]
        return []

    def _while_with_human(self, event: TransferEvent, now: float) -> Actions:
        match event:
            case Announced():
                return [PlayHold()]
            case Asked() if self.phase == "briefing":
                self.phase, self.deadline = "asking", now + self.plan.answer_secs
                self._questions += 1
            case TimeUp() if self.phase == "asking":
                if self._questions < self.plan.questions:
                    self.phase, self.deadline = "briefing", None
                    return [AskAgain()]
                return [HangUpHuman(), *self._missed("no_answer", now)]
            case Heard("accept"):
                self.phase, self.deadline, self.bridged = "bridged", None, True
                return [Bridge()]
            case Heard("decline"):
                return [HangUpHuman(), *self._missed("declined", now)]
            case Heard("machine"):
                return [HangUpHuman(), *self._missed("voicemail", now)]
            case HumanLeft():
                return self._missed("declined", now)
            case CallerLeft():
                return [HangUpHuman(), *self._over(TransferResult("caller_gone"))]
            case Broke():
                failed = TransferResult("failed", None, event.why)
                return [HangUpHuman(), *self._over(failed), Return()]
        return []

    def _while_bridged(self, event: TransferEvent, now: float) -> Actions:
        talked = TransferResult("answered", 200)
        match event:
            case HumanLeft():
                return [Unbridge(), *self._over(talked), EndCall()]
            case CallerLeft():
                return [Unbridge(), HangUpHuman(), *self._over(talked)]
            case CalledBack():
                called_back = TransferResult("answered", 200, called_back=True)
                return [Unbridge(), HangUpHuman(), *self._over(called_back), Return()]
            case Broke():
                broken = TransferResult("answered", 200, event.why, called_back=True)
                return [Unbridge(), HangUpHuman(), *self._over(broken), Return()]
        return []

    def _missed(
        self, outcome: TransferOutcome, now: float, leg: LegResult | None = None
    ) -> Actions:
        """Nothing came of this number: try the next, or give the caller back."""
        sip = (leg.sip_code, leg.sip_status) if leg else (None, "")
        if self._tried < len(self.plan.numbers):
            return [Note(outcome, *sip), *self._next(now)]
        return [*self._over(TransferResult(outcome, *sip)), Return()]

    def _over(self, result: TransferResult) -> Actions:
        self.phase, self.deadline, self.result = "over", None, result
        return []
