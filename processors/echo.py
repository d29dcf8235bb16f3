"""Sends the caller's audio straight back: the shortest bot, and the line's own latency."""

from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from transports.frames import LiveAudioRawFrame


class EchoProcessor(FrameProcessor):
    """Turns every frame of the caller's audio into one of the bot's.

    Stands between ``transport.input()`` and ``transport.output()``. Nothing is buffered or
    resampled if the pipeline's ``audio_in_sample_rate`` and ``audio_out_sample_rate`` agree; give
    both as 16000. The audio is no speech of the bot: nobody waits for it to end, and it does not
    count as a turn.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Answer audio with audio; pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(
            LiveAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels), direction
        )
