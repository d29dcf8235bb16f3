"""Notices an STT that hears nothing although the caller speaks."""

import asyncio
import time
from collections.abc import Callable

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed

VOICED_SECS = 0.6
WORDS_SECS = 2.5


class DeafWatch(BaseObserver):
    """Counts what the VAD took for speech and the STT returned no word of.

    A stream that is connected and says nothing raises no error. Speech counts if it lasted
    ``VOICED_SECS``, pauses included, began in the bot's silence, and no word came until
    ``WORDS_SECS`` after it; a single word of the caller ends the count.

    Events:

    - on_unheard(watch, turns): that many in a row
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, **kwargs):
        """Initialize the observer.

        Args:
            now: The clock, in seconds.
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self._now = now
        self._turns = 0
        self._began: float | None = None
        self._bot_speaks = False
        self._waiting: asyncio.Task[None] | None = None
        self._register_event_handler("on_unheard")

    def forget(self) -> None:
        """Count anew."""
        self._turns = 0

    async def on_push_frame(self, data: FramePushed) -> None:
        """Follow the caller's voice and words."""
        match frame := data.frame:
            case BotStartedSpeakingFrame():
                self._bot_speaks = True
            case BotStoppedSpeakingFrame():
                self._bot_speaks = False
            case VADUserStartedSpeakingFrame():
                self._stop_waiting()
                if self._began is None and not self._bot_speaks:
                    self._began = self._now()
            case VADUserStoppedSpeakingFrame() if self._began is not None:
                self._stop_waiting()
                voiced_secs = self._now() - frame.stop_secs - self._began
                self._waiting = asyncio.create_task(self._wait_for_words(voiced_secs))
            case InterimTranscriptionFrame() | TranscriptionFrame() if frame.text.strip():
                self._stop_waiting()
                self._began, self._turns = None, 0

    async def cleanup(self) -> None:
        """Stop with the pipeline."""
        await super().cleanup()
        self._stop_waiting()

    async def _wait_for_words(self, voiced_secs: float) -> None:
        await asyncio.sleep(WORDS_SECS)
        self._waiting = self._began = None
        if voiced_secs >= VOICED_SECS:
            self._turns += 1
            await self._call_event_handler("on_unheard", self._turns)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
