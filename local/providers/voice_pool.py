"""Worker threads that make the piece of speech which some listener will need soonest."""

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

_WARM_UP = ("Hello.", "Hello, this is a somewhat longer sentence to warm up with.")
_WARM_UP_RATE_HZ = 24000
_LAST_OF_ALL = float("inf")


@dataclass(frozen=True)
class Piece:
    """Some audio of a text; the first piece of a text carries its word times.

    Parameters:
        pcm: 16-bit mono at the asked rate.
        secs: Its length.
        words: The words of the text, as written.
        starts: When each begins, in seconds from the start of the text's audio.
        ends: When each ends.
    """

    pcm: bytes
    secs: float
    words: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)


class SynthesisError(Exception):
    """A text could not be spoken.

    Parameters:
        code: Always ``synthesis_failed``.
        retryable: Another text may well be spoken.
    """

    code = "synthesis_failed"
    retryable = True


class Voice(Protocol):
    """A voice; several threads may use it at once."""

    name: str

    def pieces(self, text: str, rate_hz: int, speed: float, *, last: bool) -> Iterator[Piece]:
        """Audio of a sentence; ``last``: a pause follows it. Raises SynthesisError."""
        ...


class SpeechJob:
    """One text being spoken; ``queue`` gives its pieces, then None or the error."""

    def __init__(self, pieces: Iterator[Piece], due: float):
        """Set up the job.

        Args:
            pieces: Makes the audio, piece by piece.
            due: When the listener needs the next piece, on the pool's clock.
        """
        self.queue: asyncio.Queue[Piece | SynthesisError | None] = asyncio.Queue()
        self.pieces = pieces
        self.due = due
        self.cancelled = False
        self._loop = asyncio.get_running_loop()

    def deliver(self, item: Piece | SynthesisError | None) -> None:
        """Hand over from a worker thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.queue.put_nowait, item)


class VoicePool:
    """Two calls at once share the workers by need: a long answer delays nobody's first word."""

    def __init__(
        self, voice: Voice, *, workers: int = 2, now: Callable[[], float] = time.monotonic
    ):
        """Warm the voice with two sentences and start the threads."""
        self.name = voice.name
        self._voice = voice
        self._now = now
        self._queue: queue.PriorityQueue[tuple[float, int, SpeechJob | None]] = (
            queue.PriorityQueue()
        )
        self._sequence = itertools.count()
        for text in _WARM_UP:
            list(voice.pieces(text, _WARM_UP_RATE_HZ, 1.0, last=True))
        self._threads = [
            threading.Thread(target=self._work, name="voice", daemon=True) for _ in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self, text: str, rate_hz: int, *, ahead_secs: float, speed: float, last: bool
    ) -> SpeechJob:
        """Queue a sentence.

        Args:
            text: The sentence.
            rate_hz: Of the audio wanted.
            ahead_secs: Audio the listener still has before this text is needed.
            speed: 1.0 is the voice's own pace.
            last: A pause follows.
        """
        pieces = self._voice.pieces(text, rate_hz, speed, last=last)
        job = SpeechJob(pieces, self._now() + ahead_secs)
        self._queue.put((job.due, next(self._sequence), job))
        return job

    def close(self) -> None:
        """End the threads after what is queued; cancel jobs first to be quick."""
        for _ in self._threads:
            self._queue.put((_LAST_OF_ALL, next(self._sequence), None))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()[2]) is not None:
            if job.cancelled:
                continue
            try:
                piece = next(job.pieces, None)
            except SynthesisError as error:
                job.deliver(error)
                continue
            job.deliver(piece)
            if piece is not None:
                job.due += piece.secs
                self._queue.put((job.due, next(self._sequence), job))
