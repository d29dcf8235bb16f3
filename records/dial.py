"""The dialling of an outgoing call, as its record tells it."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from records.event import Event, PrivateNumber
from records.line_events import (
    CallPlaced,
    DialEnded,
    DialOutcome,
    DialStarted,
    PhoneRang,
    ResultNoted,
)


class Dial(BaseModel):
    """How the phone was reached, or why not.

    Parameters:
        caller_id: The number the phone was shown; "" when the trunk chose it.
        attempt: 1, 2, 3 … of the calls to this number that nobody answered.
        ring_secs: How long it was to ring at most.
        rang_after_secs: From dialling to its first ringing; None: it never rang.
        outcome: ``answered``, or why not; None while it rings.
        sip_code: The final SIP status, where LiveKit tells it.
        sip_status: Its reason phrase, or LiveKit's words.
        secs: From dialling to the outcome.
        retry_after_secs: When another attempt is worth while; None: it is not.
    """

    model_config = ConfigDict(frozen=True)

    caller_id: PrivateNumber = ""
    attempt: int = 1
    ring_secs: float = 0.0
    rang_after_secs: float | None = None
    outcome: DialOutcome | None = None
    sip_code: int | None = None
    sip_status: str = ""
    secs: float | None = None
    retry_after_secs: int | None = None


class DialFold:
    """Takes the events of dialling one by one."""

    def __init__(self):
        self._fields: dict[str, Any] = {}
        self._began = 0.0
        self._sip_call_id = ""
        self._placed: dict[str, Any] = {}
        self._results: dict[str, str] = {}

    def fields(self) -> dict[str, Any]:
        """What the record holds of it; nothing where nobody was dialled."""
        sip_call_id = {"sip_call_id": self._sip_call_id} if self._sip_call_id else {}
        dial = {"dial": Dial(**self._fields), **sip_call_id} if self._fields else {}
        return {**dial, **self._placed, "results": dict(self._results)}

    def take(self, event: Event) -> None:
        """Add one event."""
        fields = self._fields
        match event:
            case CallPlaced():
                self._placed = {"variables": event.variables, "metadata": event.metadata}
            case ResultNoted():
                self._results |= event.results
            case DialStarted():
                self._began = event.t
                fields.update(
                    caller_id=event.caller_id, attempt=event.attempt, ring_secs=event.ring_secs
                )
            case PhoneRang():
                fields.setdefault("rang_after_secs", round(event.t - self._began, 6))
            case DialEnded():
                self._sip_call_id = event.sip_call_id
                fields.update(
                    outcome=event.outcome,
                    sip_code=event.sip_code,
                    sip_status=event.sip_status,
                    secs=event.secs,
                    retry_after_secs=event.retry_after_secs,
                )
