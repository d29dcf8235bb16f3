"""Hold, resume and drop, measured sample by sample on a real source and stream."""

import asyncio

import numpy as np
import pytest
from livekit import rtc

from transports import pausable_source
from transports.pausable_source import PausableSource

RATE = 24000
STEP = 480


class _Tap:
    """Keeps what was played, as the recorder would."""

    def __init__(self):
        self.pieces: list[tuple[float, np.ndarray]] = []
        self.cuts: list[float] = []

    def played(self, at: float, pcm: bytes, rate_hz: int) -> None:
        assert rate_hz == RATE
        self.pieces.append((at, np.frombuffer(pcm, np.int16)))

    def cut(self, at: float) -> None:
        self.cuts.append(at)
        kept = []
        for start, pcm in self.pieces:
            samples = max(0, min(len(pcm), round((at - start) * RATE)))
            kept.append((start, pcm[:samples]))
        self.pieces = kept

    def samples(self) -> int:
        return sum(len(pcm) for _, pcm in self.pieces)


class _Line:
    """The far end: every sample of the signal carries its own number, so a gap or repeat shows."""

    def __init__(self):
        inner = rtc.AudioSource(RATE, 1, queue_size_ms=100)
        self.tap = _Tap()
        self.source = PausableSource(inner, self.tap)
        track = rtc.LocalAudioTrack.create_audio_track("line", inner)
        self._stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=10)
        self._frames: list[np.ndarray] = []
        self._reader = asyncio.create_task(self._read())
        self.signal = (1000 + np.arange(RATE) % 30000).astype(np.int16)

    async def _read(self) -> None:
        async for event in self._stream:
            self._frames.append(np.frombuffer(event.frame.data, np.int16).copy())

    async def play(self) -> None:
        for start in range(0, len(self.signal), STEP):
            part = self.signal[start : start + STEP]
            frame = rtc.AudioFrame(part.tobytes(), RATE, 1, len(part))
            await self.source.capture_frame(frame)

    def heard(self) -> np.ndarray:
        samples = np.concatenate(self._frames)
        return samples[samples >= 1000]

    async def close(self) -> None:
        await self._stream.aclose()
        await self._reader
        await self.source.aclose()


@pytest.fixture
async def line(monkeypatch):
    monkeypatch.setattr(pausable_source, "FADE_SECS", 0)
    line = _Line()
    yield line
    await line.close()


async def _finish(line: _Line, playing: asyncio.Task) -> None:
    async with asyncio.timeout(3):
        await playing
        await line.source.wait_for_playout()
    await asyncio.sleep(0.1)


async def test_resume_goes_on_at_the_same_place(line):
    playing = asyncio.create_task(line.play())
    await asyncio.sleep(0.3)
    kept = line.source.hold()
    assert 0.09 < kept < 0.15
    await asyncio.sleep(0.05)
    before = line.heard()
    await asyncio.sleep(0.15)
    assert len(line.heard()) == len(before), "audible while held"
    await line.source.resume()
    await _finish(line, playing)
    lost = len(line.signal) - len(line.heard())
    assert abs(lost) <= RATE // 100, f"{lost / RATE * 1000:.1f} ms lost"
    assert line.signal[-1] - line.heard()[-1] <= RATE // 100


async def test_rewind_repeats_what_was_just_said(line):
    playing = asyncio.create_task(line.play())
    await asyncio.sleep(0.3)
    line.source.hold(rewind_secs=0.1)
    await asyncio.sleep(0.05)
    await line.source.resume()
    await _finish(line, playing)
    repeated = (len(line.heard()) - len(line.signal)) / RATE
    assert repeated == pytest.approx(0.1, abs=0.021)


async def test_an_interruption_drops_what_was_held(line):
    playing = asyncio.create_task(line.play())
    await asyncio.sleep(0.3)
    line.source.hold()
    await asyncio.sleep(0.05)
    before = len(line.heard())
    playing.cancel()
    line.source.clear_queue()
    await line.source.resume()
    await asyncio.sleep(0.15)
    assert not line.source.held and len(line.heard()) == before


async def test_a_second_sound_while_the_line_resumes_holds_it_again(line):
    playing = asyncio.create_task(line.play())
    await asyncio.sleep(0.3)
    line.source.hold()
    await asyncio.sleep(0.05)
    before = len(line.heard())
    resuming = asyncio.create_task(line.source.resume())
    await asyncio.sleep(0.005)
    line.source.hold()
    await resuming
    await asyncio.sleep(0.1)
    assert line.source.held and len(line.heard()) - before <= RATE // 50
    await line.source.resume()
    await _finish(line, playing)
    lost = len(line.signal) - len(line.heard())
    assert abs(lost) <= RATE // 50, f"{lost / RATE * 1000:.1f} ms lost"


async def test_the_end_of_playout_is_waited_for_through_a_hold(line):
    playing = asyncio.create_task(line.play())
    await asyncio.sleep(0.3)
    line.source.hold()
    waiting = asyncio.create_task(line.source.wait_for_playout())
    await asyncio.sleep(0.15)
    assert not waiting.done()
    await line.source.resume()
    await playing
    async with asyncio.timeout(1):
        await waiting


class _Clockwork:
    """An audio source on a moved clock: ``pass_secs`` plays, to the sample."""

    sample_rate = RATE
    queue_secs = 0.1

    def __init__(self):
        self.now = 0.0
        self.heard: list[np.ndarray] = []
        self._queue = np.zeros(0, np.int16)
        self._room = asyncio.Event()

    def monotonic(self) -> float:
        return self.now

    @property
    def queued_duration(self) -> float:
        return len(self._queue) / RATE

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self._queue = np.concatenate([self._queue, np.frombuffer(frame.data, np.int16)])
        while self.queued_duration > self.queue_secs:
            self._room.clear()
            await self._room.wait()

    def clear_queue(self) -> None:
        self._queue = self._queue[:0]
        self._room.set()

    async def pass_secs(self, secs: float) -> None:
        for _ in range(round(secs * 100)):
            self.now += 0.01
            self.heard.append(self._queue[: RATE // 100])
            self._queue = self._queue[RATE // 100 :]
            self._room.set()
            for _ in range(5):  # whoever waits for room takes it
                await asyncio.sleep(0)


async def test_the_tap_counts_to_the_sample_what_the_far_end_hears(monkeypatch):
    clock, tap = _Clockwork(), _Tap()
    monkeypatch.setattr(pausable_source, "time", clock)
    monkeypatch.setattr(pausable_source, "FADE_SECS", 0)
    source = PausableSource(clock, tap)  # pyright: ignore[reportArgumentType]
    signal = (1000 + np.arange(RATE) % 30000).astype(np.int16)

    async def play() -> None:
        for start in range(0, RATE, STEP):
            part = signal[start : start + STEP]
            await source.capture_frame(rtc.AudioFrame(part.tobytes(), RATE, 1, STEP))

    playing = asyncio.create_task(play())
    await asyncio.sleep(0)
    await clock.pass_secs(0.3)
    source.hold()
    await clock.pass_secs(0.1)
    resuming = asyncio.create_task(source.resume())
    await asyncio.sleep(0)
    await clock.pass_secs(0.2)
    source.clear_queue()
    playing.cancel()
    await resuming
    heard = np.concatenate(clock.heard)
    starts = [at for at, pcm in tap.pieces if len(pcm)]
    assert tap.cuts == pytest.approx([0.3, 0.6]) and starts == sorted(starts) and starts[0] == 0
    assert len(heard) == tap.samples() == pytest.approx(0.5 * RATE)
    assert np.array_equal(heard, np.concatenate([pcm for _, pcm in tap.pieces]))
