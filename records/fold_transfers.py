"""Folds transfers, messages and promised calls into the record."""

from typing import Any

from records.event import Event
from records.events import CallEnded
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
from records.transfers import Callback, Message, TransferAttempt, TransferRecord


class TransferFold:
    """Takes a call's events one by one; knows transfers, messages and callbacks after each."""

    def __init__(self):
        self._transfers: list[dict[str, Any]] = []
        self._messages: list[Message] = []
        self._callbacks: list[Callback] = []

    def take(self, event: Event) -> None:
        """Add one event; those of other things are passed over."""
        match event:
            case TransferStarted():
                fields = {"desk": event.desk, "mode": event.mode, "reason": event.reason}
                self._transfers.append({**fields, "at_secs": event.t, "attempts": []})
            case MessageTaken():
                text, name, number = event.text, event.name, event.number
                message = Message(text=text, name=name, number=number, at_secs=event.t)
                self._messages.append(message)
            case CallbackBooked():
                number, when, topic = event.number, event.when, event.topic
                callback = Callback(number=number, when=when, topic=topic, at_secs=event.t)
                self._callbacks.append(callback)
            case CallEnded() if self._transfers and "outcome" not in self._transfers[-1]:
                # The call process died in the middle of it.
                self._transfers[-1].update(outcome="failed", ended_secs=event.t)
            case _ if self._transfers:
                self._take_transfer(self._transfers[-1], event)

    def fields(self) -> dict[str, Any]:
        """What the record holds of it."""
        transfers = [
            TransferRecord(**{**t, "attempts": [TransferAttempt(**a) for a in t["attempts"]]})
            for t in self._transfers
        ]
        return {"transfers": transfers, "messages": self._messages, "callbacks": self._callbacks}

    def _take_transfer(self, transfer: dict[str, Any], event: Event) -> None:
        attempts = transfer["attempts"]
        match event:
            case DeskDialled():
                attempts.append({"number": event.number, "at_secs": event.t})
            case DeskAnswered() if attempts:
                attempts[-1]["answered_secs"] = event.t
            case DeskFailed() if attempts:
                self._settle(attempts[-1], event)
            case CallBridged():
                transfer["bridged_secs"] = event.t
            case TransferEnded():
                transfer.update(ended_secs=event.t, outcome=event.outcome)
                transfer["called_back"] = event.called_back
                if attempts and "outcome" not in attempts[-1]:
                    self._settle(attempts[-1], event)

    def _settle(self, attempt: dict[str, Any], event: DeskFailed | TransferEnded) -> None:
        attempt.update(outcome=event.outcome, sip_code=event.sip_code, sip_status=event.sip_status)
