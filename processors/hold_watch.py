"""Notices that the far end put the call on hold, which no signal in the room tells."""

import asyncio
import time
from collections.abc import Callable

from pipecat.frames.frames import CancelFrame, EndFrame, InputAudioRawFrame, StartFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_input import BaseInputTransport

from processors.hold_clock import HoldClock, is_dead

MISSING_SECS = 0.5


class HoldWatch(BaseObserver):
    """Listens to the caller's audio as it comes off the line.

    LiveKit answers a hold re-INVITE by itself and tells nobody, so the audio is all there is. For
    phones only: a browser that is muted is silent in the same way.

    Events:

    - on_hold_began(watch)
    - on_hold_ended(watch, secs)
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, **kwargs):
        """Initialize the observer.

        Args:
            now: The clock, in seconds.
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self._now = now
        self._clock = HoldClock()
        self._heard_at = 0.0
        self._held_since = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._register_event_handler("on_hold_began")
        self._register_event_handler("on_hold_ended")

    @property
    def held(self) -> bool:
        """Whether the far end holds the line."""
        return self._clock.held_since is not None

    async def on_push_frame(self, data: FramePushed) -> None:
        """Weigh the caller's audio; what a processor makes of it later is not the line."""
        if isinstance(data.frame, StartFrame) and self._watching is None:
            self._watching = asyncio.create_task(self._watch_for_nothing())
        elif isinstance(data.frame, EndFrame | CancelFrame):
            self._stop()  # the line is not listened to any more, and the goodbye still plays
        if not isinstance(data.frame, InputAudioRawFrame):
            return
        if isinstance(data.source, BaseInputTransport):
            self._heard_at = self._now()
            await self._note(self._clock.hear(is_dead(data.frame.audio), self._heard_at))

    async def cleanup(self) -> None:
        """Stop listening with the pipeline."""
        await super().cleanup()
        self._stop()

    def _stop(self) -> None:
        if self._watching:
            self._watching.cancel()
            self._watching = None

    async def _watch_for_nothing(self) -> None:
        while True:
            await asyncio.sleep(MISSING_SECS)
            if self._now() - self._heard_at >= MISSING_SECS:
                await self._note(self._clock.pass_time(self._now()))

    async def _note(self, change: str | None) -> None:
        if change == "began":
            self._held_since = self._clock.held_since or self._now()
            await self._call_event_handler("on_hold_began")
        elif change == "ended":
            await self._call_event_handler("on_hold_ended", self._now() - self._held_since)
