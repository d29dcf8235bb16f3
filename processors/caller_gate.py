"""Keeps the caller from the bot while they wait for a person, or talk to one."""

from collections.abc import Callable

from pipecat.frames.frames import Frame, InputAudioRawFrame, InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

# Silence with which speech under way ends; behind it the STT keeps its connection by itself.
SILENCE_SECS = 2.0

AudioListener = Callable[[bytes], None]


class CallerGate(FrameProcessor):
    """While shut, what the caller says and presses reaches nobody, or one listener.

    Sits behind recorder and keypad, before the STT: the recording goes on, and single keys work.
    Shut, it sends two seconds of silence, so that speech under way is over, and then nothing.
    """

    def __init__(self, **kwargs):
        """Initialize the gate, open.

        Args:
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(enable_direct_mode=True, **kwargs)
        self._is_shut = False
        self._silence_secs = 0.0
        self._listener: AudioListener | None = None

    @property
    def is_shut(self) -> bool:
        """Whether the bot hears nothing."""
        return self._is_shut

    def shut(self) -> None:
        """Let the bot hear nothing from now on."""
        if not self._is_shut:
            self._is_shut, self._silence_secs = True, SILENCE_SECS

    def divert(self, listener: AudioListener | None) -> None:
        """Give the audio to ``listener`` (16-bit mono PCM at the pipeline's rate) while shut."""
        self._listener = listener

    def open(self) -> None:
        """Let the bot hear the caller again."""
        self._is_shut, self._listener = False, None

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Hold back audio and keys of the caller while shut, pass everything else on."""
        await super().process_frame(frame, direction)
        if not self._is_shut or not isinstance(frame, InputAudioRawFrame | InputDTMFFrame):
            await self.push_frame(frame, direction)
            return
        if isinstance(frame, InputAudioRawFrame):
            if self._listener:
                self._listener(frame.audio)
            if self._silence_secs > 0:
                self._silence_secs -= len(frame.audio) / 2 / frame.sample_rate
                frame.audio = bytes(len(frame.audio))
                await self.push_frame(frame, direction)
