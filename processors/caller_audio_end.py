"""Where the caller's audio ends: nothing behind it listens."""

from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor


class CallerAudioEnd(FrameProcessor):
    """Takes the caller's audio out of the pipeline behind the user aggregator.

    LLM, TTS, output and assistant aggregator would only hand it on, 50 times a second. Whoever adds
    a processor that listens puts it before this one.
    """

    def __init__(self, **kwargs):
        """Initialize the end.

        Args:
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(enable_direct_mode=True, **kwargs)

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Pass every frame on but the caller's audio."""
        await super().process_frame(frame, direction)
        if not (isinstance(frame, InputAudioRawFrame) and direction == FrameDirection.DOWNSTREAM):
            await self.push_frame(frame, direction)
