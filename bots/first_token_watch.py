"""Notices an LLM that was asked and does not answer."""

import asyncio
from collections.abc import Awaitable, Callable

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed

FIRST_TOKEN_SECS = 6.0

SETTLED = (
    LLMTextFrame,
    LLMFullResponseEndFrame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    EndFrame,
    CancelFrame,
)


class FirstTokenWatch(BaseObserver):
    """Calls ``on_silence`` when an answer has not begun for ``FIRST_TOKEN_SECS``.

    Pipecat reports no error for a provider that accepts a request and then says nothing: the
    caller would hear silence until the SDK gives up, minutes later.
    """

    def __init__(self, on_silence: Callable[[str], Awaitable[None]], **kwargs):
        """Initialize with what to do; it is told the name of the LLM."""
        super().__init__(observe_every_push=False, **kwargs)
        self._on_silence = on_silence
        self._waiting: asyncio.Task[None] | None = None

    async def on_push_frame(self, data: FramePushed) -> None:
        """Start waiting with a request, stop with whatever settles it."""
        if isinstance(data.frame, LLMFullResponseStartFrame):
            self._stop()
            self._waiting = asyncio.create_task(self._wait(data.source.name))
        elif isinstance(data.frame, SETTLED):
            self._stop()

    async def cleanup(self) -> None:
        """Stop waiting with the pipeline."""
        await super().cleanup()
        self._stop()

    async def _wait(self, name: str) -> None:
        await asyncio.sleep(FIRST_TOKEN_SECS)
        self._waiting = None  # what follows interrupts the pipeline, and would stop this task
        await self._on_silence(name)

    def _stop(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
