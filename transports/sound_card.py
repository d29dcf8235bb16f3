"""Pipecat's microphone and speaker, made safe to stop. Can be imported only with PyAudio."""

import asyncio

from pipecat.frames.frames import OutputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.local.audio import LocalAudioOutputTransport, LocalAudioTransport

_WRITE_SECS = 1.0


class SpeakerTransport(LocalAudioOutputTransport):
    """Plays audio, and ends between two chunks.

    PortAudio must not be stopped by one thread while another writes: it complains, or crashes.
    """

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write a chunk; whoever cancels waits for its end, a second at most."""
        writing = asyncio.ensure_future(super().write_audio_frame(frame))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_WRITE_SECS)
            raise


class SoundCardTransport(LocalAudioTransport):
    """Microphone and speaker of this machine."""

    def output(self) -> FrameProcessor:
        """The speaker."""
        if not self._output:
            self._output = SpeakerTransport(self._pyaudio, self._params)
        return self._output
