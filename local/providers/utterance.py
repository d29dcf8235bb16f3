"""One utterance on its way in: its audio, where speech is in it, what is known of its text."""

import asyncio
from dataclasses import dataclass, field

import numpy as np

from local.providers.speech_gate import FRAME_MS, SpeechGate

# Kept before the first speech frame: 100-200 ms gave the fewest word errors.
PREROLL_MS = 150


@dataclass
class Utterance:
    """What was said since the last final; offsets are bytes of 16-bit mono.

    Parameters:
        start: Where its audio begins in the stream.
        audio: Its audio.
        first_speech: Where speech begins; None: none so far.
        last_speech: Where it was last heard.
        reach: How far ``text`` goes; -1: nothing was transcribed.
        text: What was transcribed ahead.
        pending: A transcription under way, and how far it will reach.
        asked_at: Where the last transcription was asked for.
        interim: The last text sent that may still change.
        end_sent: UtteranceEnd was sent.
    """

    start: int
    audio: bytearray = field(default_factory=bytearray)
    first_speech: int | None = None
    last_speech: int | None = None
    reach: int = -1
    text: str = ""
    pending: tuple[int, asyncio.Future[str]] | None = None
    asked_at: int = 0
    interim: str = ""
    end_sent: bool = False

    def __post_init__(self):
        self.asked_at = self.start

    @property
    def expected_reach(self) -> int:
        """How far the text will go once what is under way is done."""
        return max(self.reach, self.pending[0] if self.pending else -1)

    def forget_lead_in(self, keep_bytes: int) -> None:
        """Drop audio before speech, but for the last of it."""
        if (excess := len(self.audio) - keep_bytes) > 0:
            del self.audio[:excess]
            self.start += excess


class SpeechFinder:
    """Cuts the stream into frames and says at which bytes speech was heard."""

    def __init__(self, rate_hz: int):
        """Initialize at the beginning of a stream."""
        self.frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._gate = SpeechGate()
        self._tail = b""
        self._position = 0

    def feed(self, pcm: bytes) -> list[int]:
        """The ends of the frames in which speech was heard."""
        self._position += len(pcm)
        data = self._tail + pcm
        begin = self._position - len(data)
        whole = len(data) // self.frame_bytes * self.frame_bytes
        self._tail = data[whole:]
        return [
            begin + at + self.frame_bytes
            for at in range(0, whole, self.frame_bytes)
            if self._gate.is_speech(np.frombuffer(data, np.int16, self.frame_bytes // 2, at))
        ]
