"""Pipecat's microphone and speaker, made safe to stop and to lose. Needs PyAudio to be imported."""

import asyncio
from collections.abc import Awaitable, Callable

from pipecat.frames.frames import OutputAudioRawFrame, StartFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.local.audio import (
    LocalAudioInputTransport,
    LocalAudioOutputTransport,
    LocalAudioTransport,
    LocalAudioTransportParams,
)

_WRITE_SECS = 1.0
_LOOK_SECS = 0.5

OnLost = Callable[[], Awaitable[None]]


class MicrophoneTransport(LocalAudioInputTransport):
    """Hears, and notices when the device is gone."""

    def __init__(self, py_audio, params: LocalAudioTransportParams, on_lost: OnLost):
        """Initialize with what to await once the device is gone."""
        super().__init__(py_audio, params)
        self._on_lost = on_lost
        self._watch: asyncio.Task | None = None

    async def start(self, frame: StartFrame):
        """Start the stream and watch over it."""
        await super().start(frame)
        self._watch = self._watch or self.create_task(self._watch_stream())

    async def cleanup(self):
        """Stop watching, then close the stream."""
        if self._watch:
            await self.cancel_task(self._watch)
            self._watch = None
        await super().cleanup()

    async def _watch_stream(self):
        # PortAudio tells nobody: the stream merely stops calling back.
        while self._in_stream and self._in_stream.is_active():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECS)
        await self._on_lost()


class SpeakerTransport(LocalAudioOutputTransport):
    """Plays audio, ends between two chunks, and notices when the device is gone."""

    def __init__(self, py_audio, params: LocalAudioTransportParams, on_lost: OnLost):
        """Initialize with what to await once the device is gone."""
        super().__init__(py_audio, params)
        self._on_lost = on_lost

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Write a chunk; whoever cancels waits for its end, a second at most.

        PortAudio must not be stopped by one thread while another writes: it complains, or crashes.
        """
        writing = asyncio.ensure_future(super().write_audio_frame(frame))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_WRITE_SECS)
            raise
        except OSError:
            if self._out_stream:
                self._out_stream.close()
                self._out_stream = None
            await self._on_lost()
            return False


class SoundCardTransport(LocalAudioTransport):
    """Microphone and speaker of this machine.

    Events: ``on_call_ended(transport, reason)`` once, with ``device:LOST``.
    """

    def __init__(self, params: LocalAudioTransportParams):
        """Initialize the libraries; the devices are opened by the pipeline."""
        super().__init__(params)
        self._is_lost = False
        self._register_event_handler("on_call_ended")

    def input(self) -> FrameProcessor:
        """The microphone."""
        if not self._input:
            self._input = MicrophoneTransport(self._pyaudio, self._params, self._lose)
        return self._input

    def output(self) -> FrameProcessor:
        """The speaker."""
        if not self._output:
            self._output = SpeakerTransport(self._pyaudio, self._params, self._lose)
        return self._output

    async def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            await self._call_event_handler("on_call_ended", "device:LOST")
