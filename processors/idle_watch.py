"""Notices a caller who says nothing."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed

from processors.idle_clock import IdleClock

# What keeps a call from being idle: who begins it, and who ends it.
BEGINS: dict[type[Frame], str] = {
    BotStartedSpeakingFrame: "bot",
    VADUserStartedSpeakingFrame: "voice",
    UserStartedSpeakingFrame: "turn",
    LLMFullResponseStartFrame: "thinking",
}
ENDS: dict[type[Frame], str] = {
    BotStoppedSpeakingFrame: "bot",
    VADUserStoppedSpeakingFrame: "voice",
    UserStoppedSpeakingFrame: "turn",
    LLMFullResponseEndFrame: "thinking",
    InterruptionFrame: "thinking",
}


class IdleWatch(BaseObserver):
    """Says when nobody has spoken, and nothing was thought, for a while.

    Pipecat's own idle event needs a bot that has just spoken; this one runs from ``start()`` on,
    after a tool that says nothing and after a noise that was no turn. It stands still while the
    line is held and inside ``suspended()``. Words of the caller, or a key, begin the count anew.

    Events:

    - on_idle(watch, number, secs): the caller was silent for ``secs``, for the ``number``-th time
    """

    def __init__(self, after_secs: float, *, now: Callable[[], float] = time.monotonic, **kwargs):
        """Initialize; nothing is counted before ``start()``.

        Args:
            after_secs: Silence of this length is idleness.
            now: The clock, in seconds.
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self._now = now
        self._clock = IdleClock(after_secs)
        self._suspended = 0
        self._number = 0
        self._changed = asyncio.Event()
        self._counting: asyncio.Task[None] | None = None
        self._register_event_handler("on_idle")

    def start(self) -> None:
        """Begin to count: the caller is there and the bot may speak."""
        if self._counting is None:
            self._clock.touch(self._now())
            self._counting = asyncio.create_task(self._count())

    def stop(self) -> None:
        """Count no more."""
        if self._counting:
            self._counting.cancel()
            self._counting = None

    def line_held(self) -> None:
        """The far end put the call on hold."""
        self._begin("hold")

    def line_back(self) -> None:
        """The far end is back, and has not been silent before."""
        self._number = 0
        self._end("hold")

    @property
    def is_suspended(self) -> bool:
        """Whether the caller waits, or is busy, on purpose."""
        return self._suspended > 0

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let the caller wait, or be busy, on purpose; may be nested."""
        self._suspended += 1
        self._begin("suspended")
        try:
            yield
        finally:
            self._suspended -= 1
            if not self._suspended:
                self._end("suspended")

    async def wait_quiet(self, within_secs: float) -> bool:
        """Wait until nobody speaks and nothing is thought; False if that takes too long."""
        try:
            async with asyncio.timeout(within_secs):
                while not self._clock.is_quiet:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def on_push_frame(self, data: FramePushed) -> None:
        """Note who speaks, what runs, and every sign of life."""
        match frame := data.frame:
            case InterimTranscriptionFrame() | TranscriptionFrame() if frame.text.strip():
                self._sign_of_life()
            case InputDTMFFrame():
                self._sign_of_life()
            case FunctionCallInProgressFrame():
                self._begin(f"tool {frame.tool_call_id}")
            case FunctionCallResultFrame() if frame.properties and not frame.properties.is_final:
                pass
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._end(f"tool {frame.tool_call_id}")
            case _:
                if begun := BEGINS.get(type(frame)):
                    self._begin(begun)
                elif ended := ENDS.get(type(frame)):
                    self._end(ended)

    async def cleanup(self) -> None:
        """Stop with the pipeline."""
        await super().cleanup()
        self.stop()

    def _sign_of_life(self) -> None:
        self._number = 0
        self._clock.touch(self._now())

    def _begin(self, what: str) -> None:
        self._clock.begin(what)

    def _end(self, what: str) -> None:
        self._clock.end(what, self._now())
        self._changed.set()

    async def _count(self) -> None:
        while True:
            self._changed.clear()
            left = self._clock.left_secs(self._now())
            if left is None:
                await self._changed.wait()
            elif left > 0:
                await asyncio.sleep(left)
            else:
                secs = self._clock.silent_secs(self._now())
                self._number += 1
                self._clock.touch(self._now())
                await self._call_event_handler("on_idle", self._number, secs)
