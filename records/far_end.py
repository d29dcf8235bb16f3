"""What a record holds of the far end: holds, reminders, and whether it was a machine."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from records.event import Event
from records.far_end_events import (
    BeepHeard,
    CallerReminded,
    FarEndJudged,
    HoldBegan,
    HoldEnded,
    MessageLeft,
)


class Hold(BaseModel):
    """The far end put the call on hold.

    Parameters:
        at_secs: Since the call began.
        secs: How long; None if the call ended meanwhile.
    """

    model_config = ConfigDict(frozen=True)

    at_secs: float
    secs: float | None = None


class FarEnd(BaseModel):
    """Who answered an outgoing call that asks for it.

    Parameters:
        verdict: Person or answering machine.
        by: What told: words, the beep, or silence.
        at_secs: When it was clear, since the call began.
        beep_at_secs: End of the machine's beep; None if none was heard.
        message_left: Whether the message was played, whole.
        retry_after_secs: When another attempt is worth while; None: it is not, or not asked for.
    """

    model_config = ConfigDict(frozen=True)

    verdict: Literal["person", "machine"]
    by: Literal["words", "beep", "silence"]
    at_secs: float
    beep_at_secs: float | None = None
    message_left: bool = False
    retry_after_secs: int | None = None


class FarEndFold:
    """Takes the events of the far end."""

    def __init__(self):
        self._holds: list[dict[str, Any]] = []
        self._far_end: dict[str, Any] = {}
        self._beep_at_secs: float | None = None
        self._reminders = 0

    def take(self, event: Event) -> None:
        """Add one event of any kind."""
        match event:
            case HoldBegan():
                self._holds.append({"at_secs": event.t})
            case HoldEnded() if self._holds:
                self._holds[-1]["secs"] = event.secs
            case CallerReminded():
                self._reminders += 1
            case FarEndJudged():
                self._far_end = {
                    "verdict": event.verdict,
                    "by": event.by,
                    "at_secs": event.t,
                    "retry_after_secs": event.retry_after_secs,
                }
            case BeepHeard():
                self._beep_at_secs = event.t
            case MessageLeft():
                self._far_end["message_left"] = True

    def fields(self) -> dict[str, Any]:
        """What the record holds."""
        judged = {**self._far_end, "beep_at_secs": self._beep_at_secs}
        return {
            "holds": [Hold(**hold) for hold in self._holds],
            "reminders": self._reminders,
            "far_end": FarEnd(**judged) if "verdict" in self._far_end else None,
        }
