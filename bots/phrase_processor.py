"""Plays sentences that were synthesised before the call."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from pipecat.frames.frames import (
    DataFrame,
    Frame,
    LLMAssistantPushAggregationFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.text.base_text_aggregator import TextType


@dataclass
class PhraseFrame(DataFrame):
    """Asks for a kept sentence; keeps its place behind speech under way.

    Parameters:
        text: The words, for the context and the transcript.
        audio: 16-bit mono PCM.
        sample_rate: Of ``audio``, in Hz.
    """

    text: str
    audio: bytes
    sample_rate: int


class PhraseProcessor(FrameProcessor):
    """Turns a ``PhraseFrame`` into what the TTS would have sent for it.

    Sits between the TTS and the transport's output. The words travel between the audio they belong
    to, so that an interrupted phrase leaves in the context only what was heard.
    """

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Play phrases, pass everything else on."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, PhraseFrame):
            await self.push_frame(frame, direction)
            return
        for part in _parts(frame):
            part.interruptible = frame.interruptible
            await self.push_frame(part)


def _parts(frame: PhraseFrame) -> Iterator[Frame]:
    context_id = str(uuid.uuid4())
    yield TTSStartedFrame(context_id=context_id, append_to_context=True)
    for word, audio in _by_word(frame.text, frame.audio):
        yield TTSTextFrame(word, text_type=TextType.WORD, context_id=context_id)
        yield TTSAudioRawFrame(audio, frame.sample_rate, 1, context_id=context_id)
    yield TTSStoppedFrame(context_id=context_id)
    yield LLMAssistantPushAggregationFrame()


def _by_word(text: str, audio: bytes) -> Iterator[tuple[str, bytes]]:
    """Share the audio out over the words by their length; whole samples only."""
    words = text.split()
    letters = sum(len(word) + 1 for word in words)
    spoken = start = 0
    for word in words:
        spoken += len(word) + 1
        end = len(audio) * spoken // letters // 2 * 2
        yield word, audio[start:end]
        start = end
