"""Lets a bot's Python hear every event of its call."""

from collections.abc import Callable
from typing import Any

from loguru import logger

from records.event import Event
from records.log import EventLog, EventT


class ListenedLog(EventLog):
    """An event log with somebody who listens: ``on_event`` of ``bots/NAME.py``."""

    def __init__(self, log: EventLog):
        """Wrap the log of a call; events keep its numbers and times."""
        self.call_id = log.call_id
        self.on_event: Callable[[Event], None] | None = None
        self._log = log

    def add(self, kind: type[EventT], **fields: Any) -> EventT:
        """Write one event and tell the listener, who is dropped if it fails."""
        event = self._log.add(kind, **fields)
        if self.on_event:
            try:
                self.on_event(event)
            except Exception:  # foreign code must not end a call
                logger.exception("on_event failed and hears nothing more of this call")
                self.on_event = None
        return event
