"""Fewer, larger frames of the caller's audio while nobody speaks."""

import dataclasses

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

# Three frames of 20 ms. A line on which nobody speaks costs by its frames, not by its samples.
BUNDLE_SECS = 0.06
# Longer than any end of turn is waited for: frames are never late while one is being decided.
QUIET_SECS = 2.0


class AudioBundler(FrameProcessor):
    """Joins the caller's frames to 60 ms once caller and bot have been silent for two seconds.

    Sits before the STT. Speech begins at most 40 ms later for what follows, in a silence that
    nobody waits in; from the VAD's start on, and while the bot speaks, every frame passes as it
    comes.
    """

    def __init__(self, **kwargs):
        """Initialize the bundler.

        Args:
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(enable_direct_mode=True, **kwargs)
        self._speaking: set[str] = set()
        self._quiet_samples = 0
        self._kept: list[InputAudioRawFrame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Note who speaks, join the caller's audio, pass everything else on."""
        await super().process_frame(frame, direction)
        match frame:
            case InputAudioRawFrame() if direction == FrameDirection.DOWNSTREAM:
                await self._take(frame)
                return
            case BotStartedSpeakingFrame():
                self._note("bot", speaking=True)
            case BotStoppedSpeakingFrame():
                self._note("bot", speaking=False)
            case VADUserStartedSpeakingFrame():
                self._note("caller", speaking=True)
            case VADUserStoppedSpeakingFrame():
                self._note("caller", speaking=False)
        await self.push_frame(frame, direction)

    def _note(self, who: str, *, speaking: bool) -> None:
        self._quiet_samples = 0
        if speaking:
            self._speaking.add(who)
        else:
            self._speaking.discard(who)

    async def _take(self, frame: InputAudioRawFrame) -> None:
        self._quiet_samples += frame.num_frames
        self._kept.append(frame)
        quiet = not self._speaking and self._quiet_samples > QUIET_SECS * frame.sample_rate
        kept_samples = sum(each.num_frames for each in self._kept)
        if quiet and kept_samples < BUNDLE_SECS * frame.sample_rate:
            return
        kept, self._kept = self._kept, []
        if len(kept) > 1:
            frame = dataclasses.replace(frame, audio=b"".join(each.audio for each in kept))
        await self.push_frame(frame)
