"""What happened when a caller was handed to a person, or left word for one."""

from typing import Literal

from records.event import Event, PrivateNumber, PrivateText
from records.transfers import TransferMode, TransferOutcome


class TransferStarted(Event):
    """Somebody is to take the call over."""

    type: Literal["transfer_started"] = "transfer_started"
    desk: str
    mode: TransferMode
    reason: PrivateText = ""


class DeskDialled(Event):
    """A number of the desk is being tried."""

    type: Literal["desk_dialled"] = "desk_dialled"
    number: PrivateNumber


class DeskAnswered(Event):
    """That number was answered; by whom is not known yet."""

    type: Literal["desk_answered"] = "desk_answered"


class DeskFailed(Event):
    """Nothing came of the number that was tried."""

    type: Literal["desk_failed"] = "desk_failed"
    outcome: TransferOutcome
    sip_code: int | None = None
    sip_status: str = ""


class CallBridged(Event):
    """Caller and person hear each other."""

    type: Literal["call_bridged"] = "call_bridged"


class TransferEnded(Event):
    """The transfer is over: nobody came, both have talked, or the bot was called back."""

    type: Literal["transfer_ended"] = "transfer_ended"
    outcome: TransferOutcome
    sip_code: int | None = None
    sip_status: str = ""
    called_back: bool = False


class MessageTaken(Event):
    """The caller left a message."""

    type: Literal["message_taken"] = "message_taken"
    text: PrivateText
    name: PrivateText = ""
    number: PrivateNumber = ""


class CallbackBooked(Event):
    """The caller was promised a call."""

    type: Literal["callback_booked"] = "callback_booked"
    number: PrivateNumber
    when: str
    topic: PrivateText = ""
