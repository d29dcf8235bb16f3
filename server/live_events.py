"""Hands the events of running calls to whoever watches."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from records.event import Event

BACKLOG = 1000
"""Events a watcher may be behind before it is let go; it may come back and resume."""


@dataclass(eq=False)
class Watcher:
    """One reader of events.

    Parameters:
        call_id: The call to watch; None watches all.
        queue: Events; None is the end.
    """

    call_id: str | None
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(BACKLOG + 1))


class LiveEvents:
    """Delivers without waiting: a slow watcher never holds up a call."""

    def __init__(self):
        """Initialize without watchers."""
        self._watchers: set[Watcher] = set()

    @contextmanager
    def watch(self, call_id: str | None = None) -> Iterator[Watcher]:
        """Watches one call, or all."""
        watcher = Watcher(call_id)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def publish(self, event: Event) -> None:
        """Hands an event to everyone who watches its call."""
        for watcher in list(self._watchers):
            if watcher.call_id not in (None, event.call_id):
                continue
            if watcher.queue.qsize() >= BACKLOG:
                self._let_go(watcher)
            else:
                watcher.queue.put_nowait(event)

    def call_over(self, call_id: str) -> None:
        """Ends the streams of a call whose record is saved."""
        for watcher in list(self._watchers):
            if watcher.call_id == call_id:
                self._let_go(watcher)

    def close(self) -> None:
        """Ends all streams."""
        for watcher in list(self._watchers):
            self._let_go(watcher)

    def _let_go(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        watcher.queue.put_nowait(None)
