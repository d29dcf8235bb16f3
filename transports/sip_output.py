"""What a line says.

Overrides private methods of Pipecat 1.14.0 (``LiveKitOutputTransport``); the tests notice when they
move.
"""

import asyncio

from livekit.rtc.participant import PublishDTMFError
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.livekit.transport import LiveKitOutputTransport

from transports.frames import LiveAudioRawFrame
from transports.livekit_sip_client import LiveKitSIPClient
from transports.standing_audio import StandingAudio

PLAYOUT_SECS = 5.0
# What the SIP bridge still holds once our own queue is empty.
LINE_TAIL_SECS = 0.25
# The bridge plays a digit for 0.26 s and begins the next one 0.54 s after it.
DTMF_STEP_SECS = 0.55


class SIPOutputTransport(LiveKitOutputTransport):
    """Plays everything before it leaves; sends every digit; keeps live audio in the present."""

    _client: LiveKitSIPClient

    def __init__(self, *args, **kwargs):
        """Initialize; arguments as for ``LiveKitOutputTransport``."""
        super().__init__(*args, **kwargs)
        self._standing = StandingAudio()
        # Whether an interruption left nothing to be spoken, and nothing came since. Python 3.11's
        # wait_for keeps a chunk for two rounds of the loop once it left the queue: an interruption
        # in between finds it nowhere, and it would make the bot speak again.
        self._cut = False

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Knows, after an interruption, that nothing is left to be spoken."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._cut = not any(
                sender._audio_runs or sender._audio_queue.has_frame(OutputAudioRawFrame)
                for sender in self._media_senders.values()
            )

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM):
        """Says nothing of the chunk that an interruption came too late for."""
        if not (self._cut and isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame)):
            await super().push_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Writes a chunk to the line, unless it is live audio that would only stand there."""
        if self._cut and isinstance(frame, TTSAudioRawFrame):
            await self._media_senders[frame.transport_destination]._bot_stopped_speaking()
            return False
        live, source = isinstance(frame, LiveAudioRawFrame), self._client.source
        secs = len(frame.audio) / 2 / frame.sample_rate
        if source is None and not live:  # while it rings, a mixer plays on and on
            await asyncio.sleep(secs)
        elif source and live and self._standing.is_surplus(source.queued_duration, secs):
            return True
        return await super().write_audio_frame(frame)

    async def stop(self, frame: EndFrame):
        """Plays what is queued, gives the bridge time to play it too, then leaves the room."""
        await BaseOutputTransport.stop(self, frame)
        if self._client.source and self._client.connected:
            try:
                async with asyncio.timeout(PLAYOUT_SECS):
                    await self._client.source.wait_for_playout()
                await asyncio.sleep(LINE_TAIL_SECS)
            except TimeoutError:
                logger.warning(f"{self}: audio not played after {PLAYOUT_SECS} s")
        await self._client.disconnect()

    async def _write_dtmf_native(self, frame: OutputDTMFFrame | OutputDTMFUrgentFrame):
        try:
            for i, button in enumerate(frame.buttons or []):
                if i:
                    await asyncio.sleep(DTMF_STEP_SECS)
                await self._client.send_dtmf(button.value)
        except PublishDTMFError as e:
            await self.push_error("Digits were not sent", exception=e)

    async def _handle_frame(self, frame: Frame):
        if isinstance(frame, OutputAudioRawFrame):
            self._cut = False
        await super()._handle_frame(frame)
