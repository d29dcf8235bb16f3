"""What a line hears.

Overrides private methods of Pipecat 1.14.0 (``LiveKitInputTransport``); the tests notice when they
move.
"""

from pipecat.frames.frames import UserAudioRawFrame
from pipecat.transports.livekit.transport import LiveKitInputTransport

from transports.livekit_sip_client import LiveKitSIPClient


class SIPInputTransport(LiveKitInputTransport):
    """The caller's audio and digits; nobody else's."""

    _client: LiveKitSIPClient

    async def _audio_in_task_handler(self):
        async for frame in self._client.audio.frames():
            audio = bytes(frame.data.cast("B"))
            await self.push_audio_frame(
                UserAudioRawFrame(
                    user_id=self._client.caller.identity,
                    audio=bytes(len(audio)) if self._client.deaf else audio,
                    sample_rate=frame.sample_rate,
                    num_channels=1,
                )
            )

    async def _teardown(self):
        # The output half leaves the room, once everything is played.
        if self._audio_in_task:
            await self.cancel_task(self._audio_in_task)
            self._audio_in_task = None
