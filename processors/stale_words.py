"""Keeps words that an interruption overtook out of the context."""

from pipecat.frames.frames import Frame, InterruptionFrame, TTSStartedFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class StaleWordsFilter(FrameProcessor):
    """Drops words of an utterance that was interrupted before they came.

    Sits between the transport's output and the assistant's aggregator. A word that leaves the
    output in the moment of an interruption is overtaken by it, being no system frame; it would
    open the next thing that the bot says in context and transcript.
    """

    def __init__(self, **kwargs):
        """Initialize; arguments are those of ``FrameProcessor``."""
        super().__init__(**kwargs)
        self._heard: set[str] = set()
        self._stale: set[str] = set()

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Pass everything on but stale words."""
        await super().process_frame(frame, direction)
        match frame:
            case InterruptionFrame():
                self._stale, self._heard = self._heard, set()
            case TTSTextFrame() if frame.interruptible and frame.context_id in self._stale:
                return
            case TTSStartedFrame() | TTSTextFrame() if frame.context_id:
                self._heard.add(frame.context_id)
        await self.push_frame(frame, direction)
