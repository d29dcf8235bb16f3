"""The call in which transfers happen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bots.conversation import Conversation
from bots.desk_words import CallerWords
from bots.ending import EndingGate
from bots.hold_line import HoldLine
from records.log import EventLog
from transports.call_info import CallInfo
from transports.sip_control import SipControl


@dataclass(frozen=True)
class Surroundings:
    """The call in which transfers happen.

    Parameters:
        conversation: What the bot says and hears.
        call: Who calls.
        gate: The call's end.
        log: Takes every event.
        control: Refers the caller's phone.
        hold: The caller's line while they wait.
        words: What the caller is told.
        now: A clock in seconds.
        can_refer: Whether the caller's end understands REFER; a browser does not.
    """

    conversation: Conversation
    call: CallInfo
    gate: EndingGate
    log: EventLog
    control: SipControl
    hold: HoldLine
    words: CallerWords
    now: Callable[[], float]
    can_refer: bool = True

    def messages(self) -> Sequence[Any]:
        """What was said so far."""
        context = self.conversation.pipeline.context
        return context.get_messages() if context else []
