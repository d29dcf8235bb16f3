"""Worker threads that turn whole pieces of audio into text, the most urgent first."""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
import soxr

MODEL_RATE_HZ = 16000


class Urgency(IntEnum):
    """Who waits for a transcription; lower goes first."""

    FINAL = 0
    AHEAD = 1
    INTERIM = 2


class Recognizer(Protocol):
    """A speech model, used by one thread at a time."""

    name: str

    def transcribe(self, samples: np.ndarray) -> str:
        """Text of 16 kHz mono float32 samples."""
        ...


_Future = asyncio.Future[str]
_Job = tuple[bytes, int, asyncio.AbstractEventLoop, _Future]


class RecognizerPool:
    """One thread and one model each, fed from one priority queue.

    One model object serialises its callers, so two calls at once need two of them.
    """

    def __init__(self, recognizers: Sequence[Recognizer]):
        """Warm each model with a second of silence and start its thread."""
        self.name = recognizers[0].name
        self._queue: queue.PriorityQueue[tuple[int, int, _Job | None]] = queue.PriorityQueue()
        self._sequence = itertools.count()
        self._threads: list[threading.Thread] = []
        for recognizer in recognizers:
            recognizer.transcribe(np.zeros(MODEL_RATE_HZ, np.float32))
            thread = threading.Thread(
                target=self._work, args=(recognizer.transcribe,), name="recognizer", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    @property
    def backlog(self) -> int:
        """Jobs not yet started."""
        return self._queue.qsize()

    def submit(self, pcm: bytes, rate_hz: int, urgency: Urgency) -> asyncio.Future[str]:
        """Queue 16-bit mono audio; cancelling the future drops a job not yet started."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        self._queue.put((urgency, next(self._sequence), (pcm, rate_hz, loop, future)))
        return future

    def close(self) -> None:
        """End the threads after the job each is at."""
        for _ in self._threads:
            self._queue.put((-1, next(self._sequence), None))
        for thread in self._threads:
            thread.join()

    def _work(self, transcribe: Callable[[np.ndarray], str]) -> None:
        while (job := self._queue.get()[2]) is not None:
            pcm, rate_hz, loop, future = job
            if future.cancelled():
                continue
            text, error = "", None
            try:
                samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
                if rate_hz != MODEL_RATE_HZ:
                    samples = soxr.resample(samples, rate_hz, MODEL_RATE_HZ)
                text = transcribe(samples)
            except (RuntimeError, ValueError, OSError) as raised:
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, future, text, error)


def _settle(future: asyncio.Future[str], text: str, error: Exception | None) -> None:
    if future.done():
        return
    if error:
        future.set_exception(error)
    else:
        future.set_result(text)
