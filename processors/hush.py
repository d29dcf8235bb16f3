"""Ends the bot's sentence without ending the tool that had it said."""

from pipecat.frames.frames import Frame, InterruptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.keypad_frames import HushFrame


class HushProcessor(FrameProcessor):
    """Makes an interruption of a ``HushFrame``, for what lies behind.

    Sits between the LLM, which would cancel its tools at an interruption, and the TTS.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Pass every frame on but the one."""
        await super().process_frame(frame, direction)
        if isinstance(frame, HushFrame) and direction == FrameDirection.DOWNSTREAM:
            await self.push_frame(InterruptionFrame())
        else:
            await self.push_frame(frame, direction)
