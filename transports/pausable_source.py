"""An audio source that can fall silent at once and go on at the same word."""

import asyncio
import math
import time
from collections import deque
from typing import Protocol

import numpy as np
from livekit import rtc

from transports.one_at_a_time import OneAtATime

KEEP_SECS = 2.0
FADE_SECS = 0.005


class PlayoutTap(Protocol):
    """Is told what the line really plays. Called on the event loop, so it must be quick."""

    def played(self, at: float, pcm: bytes, rate_hz: int) -> None:
        """``pcm`` (mono, 16 bit) begins to play at ``at`` on the ``time.monotonic()`` clock."""

    def cut(self, at: float) -> None:
        """Nothing that was reported plays from ``at`` on."""


class PausableSource:
    """Wraps ``rtc.AudioSource`` and remembers what was handed over and not yet played.

    ``hold()`` silences the line, ``resume()`` replays what it cut and goes on, ``clear_queue()``
    (an interruption) forgets it. Frames that arrive while held wait in ``capture_frame``.
    ``lend()`` gives the line to somebody who plays by ``play()``: until ``take_back()`` the
    pipeline's frames are dropped as they come due, and its holds and interruptions do nothing.
    Mono 16-bit PCM. Whatever it does not define is the wrapped source's.
    """

    def __init__(self, source: rtc.AudioSource, tap: PlayoutTap | None = None):
        """Initialize around the source that the published track plays.

        Args:
            source: The native source, mono.
            tap: Is told what plays when, and what was cut.
        """
        self._source = source
        self._tap = tap
        self._history: deque[bytes] = deque()
        self._history_bytes = 0
        self._bytes_per_sec = source.sample_rate * 2
        self._replay = b""
        self._plays_until = 0.0
        self._held = False
        self._lent = False
        self._epoch = 0  # counts interruptions: what waited before one is not played after it
        self._turn = 0  # counts holds and interruptions: either ends a replay under way
        self._entrance = OneAtATime(source)
        self._open = asyncio.Event()
        self._open.set()

    def __getattr__(self, name: str):
        return getattr(self._source, name)

    @property
    def held(self) -> bool:
        """Whether playback is held."""
        return self._held

    @property
    def queued_duration(self) -> float:
        """Seconds that are handed over and not played yet."""
        return self._source.queued_duration

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Hands a frame over; waits while held; drops it if an interruption came meanwhile."""
        if self._lent:  # whoever fills a mixer without end is paced by the line
            await asyncio.sleep(frame.samples_per_channel / frame.sample_rate)
            return
        epoch = self._epoch
        while not self._open.is_set():
            await self._open.wait()
        if epoch == self._epoch:
            await self._hand_over(bytes(frame.data.cast("B")))

    def hold(self, rewind_secs: float = 0.0) -> float:
        """Silences the line within 10 ms.

        Returns:
            Seconds of audio kept for ``resume``: what was not played yet, plus ``rewind_secs``.
        """
        if not self._held and not self._lent:
            unplayed = self._source.queued_duration
            ticks = math.ceil((unplayed + rewind_secs) * 100) if unplayed else 0
            # The source plays whole ticks of 10 ms only.
            size = ticks * (self._source.sample_rate // 100) * 2
            self._held = True
            self._turn += 1
            self._open.clear()
            self._silence()
            played = b"".join(self._history)[-size:] if size else b""
            self._replay = played + self._replay  # a replay under way had this much to go
        return len(self._replay) / self._bytes_per_sec

    async def resume(self) -> None:
        """Replays what ``hold`` cut, faded in over 5 ms, then lets waiting frames follow."""
        if not self._held:
            return
        self._held = False
        turn = self._turn
        self._fade_in()
        step = self._source.sample_rate // 50 * 2
        while self._replay and turn == self._turn:
            part, self._replay = self._replay[:step], self._replay[step:]
            await self._hand_over(part)
        if turn == self._turn:
            self._open.set()

    def clear_queue(self) -> None:
        """Drops everything, held or queued: a real interruption."""
        if not self._lent:
            self._drop()

    def lend(self) -> None:
        """Gives the line to whoever calls ``play``; what is queued is dropped."""
        self._drop()
        self._lent = True

    async def play(self, pcm: bytes) -> None:
        """Plays for the borrower, at once; waits while the queue is full."""
        if self._lent:
            await self._hand_over(pcm)

    def take_back(self) -> None:
        """Gives the line back to the pipeline, silent; idempotent."""
        if self._lent:
            self._lent = False
            self._drop()

    async def wait_for_playout(self) -> None:
        """Waits until everything handed over was played, through holds as well."""
        while True:
            await self._open.wait()
            turn = self._turn
            # A mixer plays without end: only what stands in the queue now is waited for.
            await asyncio.sleep(max(0.0, self._plays_until - time.monotonic()))
            if turn == self._turn and self._open.is_set():
                return

    def _drop(self) -> None:
        self._epoch += 1
        self._turn += 1
        self._held = False
        self._replay = b""
        self._history.clear()
        self._history_bytes = 0
        self._silence()
        self._open.set()

    async def _hand_over(self, pcm: bytes) -> None:
        self._history.append(pcm)
        self._history_bytes += len(pcm)
        while self._history_bytes - len(self._history[0]) > KEEP_SECS * self._bytes_per_sec:
            self._history_bytes -= len(self._history.popleft())
        at = max(time.monotonic(), self._plays_until)
        self._plays_until = at + len(pcm) / self._bytes_per_sec
        if self._tap:
            self._tap.played(at, pcm, self._source.sample_rate)
        rate_hz = self._source.sample_rate
        await self._entrance.capture(rtc.AudioFrame(pcm, rate_hz, 1, len(pcm) // 2))

    def _silence(self) -> None:
        self._source.clear_queue()
        self._plays_until = time.monotonic()
        if self._tap:
            self._tap.cut(self._plays_until)

    def _fade_in(self) -> None:
        samples = np.frombuffer(self._replay, np.int16).copy()
        fade = min(len(samples), int(FADE_SECS * self._source.sample_rate))
        samples[:fade] = samples[:fade] * np.linspace(0, 1, fade)
        self._replay = samples.tobytes()
