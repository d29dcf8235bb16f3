"""Speaks into calls on an absolute 20 ms grid: one thread for all of them."""

import asyncio
import heapq
import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

import numpy as np
from loguru import logger

from local.sip.rtp_sender import FRAME
from local.sip.rtp_session import RtpSession

FRAME_SECS = 0.02
RATE_HZ = 8000
# -40 dBFS: a sample louder than this can be heard.
AUDIBLE = 330
_SILENCE = np.zeros(FRAME, np.int16)


class Playback:
    """One utterance on its way; ``await`` it to be there when its last frame has left.

    Parameters:
        first_audible_at: When its first audible sample left, on the monotonic clock; None before.
        last_audible_at: When its last one did, or the cut of a flush; None before.
        interrupted: Whether a flush or the end of the sender cut it.
    """

    def __init__(self, pcm: np.ndarray):
        pcm = np.asarray(pcm, np.int16)
        audible = np.flatnonzero(np.abs(pcm.astype(np.int32)) > AUDIBLE)
        self._first = int(audible[0]) if len(audible) else None
        self._last = int(audible[-1]) if len(audible) else None
        padding = -len(pcm) % FRAME
        self._pcm = np.concatenate([pcm, np.zeros(padding, np.int16)]) if padding else pcm
        self._position = 0
        self.first_audible_at: float | None = None
        self.last_audible_at: float | None = None
        self.interrupted = False
        self.future: Future[Playback] = Future()

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.future.done()

    def __await__(self) -> Generator[Any, None, "Playback"]:
        # A listener that gives up must not cancel the utterance.
        return asyncio.shield(asyncio.wrap_future(self.future)).__await__()

    def next_frame(self, now: float) -> np.ndarray | None:
        """The next 20 ms, sent at ``now``; None behind the last."""
        start = self._position
        if start >= len(self._pcm):
            return None
        self._position += FRAME
        if self._first is not None and start <= self._first < self._position:
            self.first_audible_at = now + (self._first - start) / RATE_HZ
        if self._last is not None and start <= self._last < self._position:
            self.last_audible_at = now + (self._last - start) / RATE_HZ
        return self._pcm[start : self._position]

    @property
    def exhausted(self) -> bool:
        """Whether its last frame has left."""
        return self._position >= len(self._pcm)

    def finish(self, *, cut_at: float | None = None) -> None:
        """Resolve it; ``cut_at`` is the monotonic time of a flush."""
        if cut_at is not None:
            self.interrupted = True
            if self.first_audible_at is not None and self.last_audible_at is None:
                self.last_audible_at = cut_at
        if not self.future.done():
            self.future.set_result(self)


class PacedSender:
    """Sends one frame each 20 ms into a session: what is queued, else the source's, else silence.

    Args:
        session: Where to.
        source: Asked on the pacer's thread for int16[160] when nothing is queued; None is silence.

    Parameters:
        lateness: Seconds by which the last ticks came late, newest last.
    """

    def __init__(self, session: RtpSession, source: Callable[[], np.ndarray | None] | None = None):
        self.lateness: deque[float] = deque(maxlen=3000)
        self._session, self._source = session, source
        self._queue: deque[Playback] = deque()
        self._lock = threading.Lock()
        self._due = 0.0
        self._running = False

    def start(self) -> None:
        """Begin to send; safe to call twice, but not after ``stop``."""
        if not self._running and not self._due:
            self._running = True
            self._due = time.monotonic() + 0.002
            _PACER.add(self)

    def stop(self) -> None:
        """Send nothing more; what is queued counts as interrupted."""
        if self._running:
            self._running = False
            _PACER.remove(self)
        self.flush()

    def play(self, pcm: np.ndarray) -> Playback:
        """Queue 8 kHz int16 PCM of any length; the last frame is filled up with silence."""
        playback = Playback(pcm)
        with self._lock:
            self._queue.append(playback)
        return playback

    def flush(self) -> None:
        """Forget what is queued."""
        with self._lock:
            cut = list(self._queue)
            self._queue.clear()
        now = time.monotonic()
        for playback in cut:
            playback.finish(cut_at=now)

    def tick(self, now: float) -> float:
        """Send the frame that is due; gives the next time. Called by the pacer's thread."""
        self.lateness.append(now - self._due)
        frame, finished = self._next_frame(now)
        try:
            if frame is None and self._source:
                frame = self._source()
            self._session.send(_SILENCE if frame is None else frame)
        finally:
            for playback in finished:
                playback.finish()
        self._due += FRAME_SECS
        return self._due

    @property
    def due(self) -> float:
        """When the next frame leaves."""
        return self._due

    def _next_frame(self, now: float) -> tuple[np.ndarray | None, list[Playback]]:
        """What is queued for this tick, and the playbacks that are over once it has left."""
        finished: list[Playback] = []
        frame = None
        with self._lock:
            while self._queue and frame is None:
                frame = self._queue[0].next_frame(now)
                if self._queue[0].exhausted:
                    finished.append(self._queue.popleft())
        return frame, finished


class _Pacer:
    """The thread: lives while anyone sends."""

    def __init__(self):
        self._heap: list[tuple[float, int, PacedSender]] = []
        self._senders: set[PacedSender] = set()
        self._count = itertools.count()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, sender: PacedSender) -> None:
        with self._wake:
            self._senders.add(sender)
            heapq.heappush(self._heap, (sender.due, next(self._count), sender))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rtp-pacer", daemon=True)
                self._thread.start()
            self._wake.notify()

    def remove(self, sender: PacedSender) -> None:
        with self._wake:
            self._senders.discard(sender)
            self._wake.notify()

    def _run(self) -> None:
        # Other threads must give the interpreter up quickly, or frames leave late.
        switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(0.001)
        try:
            while sender := self._wait():
                self._fire(sender)
        finally:
            sys.setswitchinterval(switch_interval)

    def _wait(self) -> PacedSender | None:
        with self._wake:
            while True:
                while self._heap and self._heap[0][2] not in self._senders:
                    heapq.heappop(self._heap)
                if not self._heap:
                    self._thread = None
                    return None
                left = self._heap[0][0] - time.monotonic()
                if left <= 0.0015:
                    due, _, sender = heapq.heappop(self._heap)
                    break
                self._wake.wait(left - 0.001)
        time.sleep(max(0.0, due - time.monotonic()))
        return sender

    def _fire(self, sender: PacedSender) -> None:
        try:
            due = sender.tick(time.monotonic())
        except Exception as e:
            # The border of a call: one call's broken source must not silence the others.
            logger.error(f"{sender}: stopped sending, {e!r}")
            sender.stop()
            return
        with self._wake:
            if sender in self._senders:
                heapq.heappush(self._heap, (due, next(self._count), sender))


_PACER = _Pacer()
