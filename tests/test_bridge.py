"""Two people in two rooms: nothing comes late, nothing leaks, and the line comes back whole."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from livekit import rtc
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputAudioRawFrame, InputDTMFFrame, TTSSpeakFrame
from pipecat.tests.utils import run_test

from bots.hold_player import HoldPlayer
from processors.caller_gate import SILENCE_SECS, CallerGate
from tests.fakes_room import until
from transports.bridge import LiveFeed
from transports.one_at_a_time import OneAtATime
from transports.pausable_source import PausableSource

RATE = 16000
PIECE = bytes(RATE // 50 * 2)  # 20 ms


class FakeLine:
    """A line whose queue the test sets; ``open`` lets a piece through."""

    def __init__(self):
        self.played: list[bytes] = []
        self.queued_duration = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def play(self, pcm: bytes) -> None:
        await self.open.wait()
        self.played.append(pcm)


@pytest.fixture
async def feed() -> AsyncIterator[tuple[LiveFeed, FakeLine]]:
    line = FakeLine()
    feed = LiveFeed(line, RATE)
    feed.start()
    yield feed, line
    await feed.stop()


async def test_a_voice_goes_through_in_order_and_at_once(feed: tuple[LiveFeed, FakeLine]):
    voice, line = feed
    for number in range(10):
        voice.offer(bytes([number]) * len(PIECE))
        await until(lambda n=number: len(line.played) > n)
    assert [piece[0] for piece in line.played] == list(range(10))
    assert voice.dropped_secs == 0


async def test_what_waits_behind_a_stall_is_the_latest_40_ms(feed: tuple[LiveFeed, FakeLine]):
    voice, line = feed
    line.open.clear()
    for number in range(20):
        voice.offer(bytes([number]) * len(PIECE))
        await asyncio.sleep(0)
    line.open.set()
    await until(lambda: len(line.played) >= 3)
    assert [piece[0] for piece in line.played] == [0, 18, 19]
    assert voice.dropped_secs == pytest.approx(17 * 0.02)


async def test_a_line_that_is_40_ms_behind_gets_nothing_more(feed: tuple[LiveFeed, FakeLine]):
    voice, line = feed
    line.queued_duration = 0.04
    voice.offer(PIECE)
    await until(lambda: voice.dropped_secs)
    assert not line.played


async def test_what_stands_in_the_queue_is_taken_out(feed: tuple[LiveFeed, FakeLine]):
    voice, line = feed
    line.queued_duration = 0.019  # never less: a jitter of the start that nobody needs
    piece = bytes(RATE // 100 * 2)
    for number in range(200):
        voice.offer(piece)
        await until(lambda n=number: len(line.played) + round(voice.dropped_secs * 100) > n)
    assert 0.02 < voice.dropped_secs < 0.05


async def test_a_shut_gate_lets_the_bot_hear_two_seconds_of_silence_and_no_keys():
    gate, heard = CallerGate(), list[bytes]()
    gate.shut()
    gate.divert(heard.append)
    loud = np.full(RATE // 50, 1000, np.int16).tobytes()
    frames = [InputAudioRawFrame(loud, RATE, 1) for _ in range(150)]
    key, sentence = InputDTMFFrame(button=KeypadEntry.FIVE), TTSSpeakFrame("One moment.")
    down, _ = await run_test(gate, frames_to_send=[*frames, key, sentence])
    passed = [f for f in down if isinstance(f, InputAudioRawFrame)]
    assert len(passed) == SILENCE_SECS * 50
    assert not any(np.frombuffer(f.audio, np.int16).any() for f in passed)
    assert heard == [loud] * 150
    assert not any(isinstance(f, InputDTMFFrame) for f in down)
    assert any(isinstance(f, TTSSpeakFrame) for f in down)


async def test_an_open_gate_changes_nothing():
    gate = CallerGate()
    gate.shut()
    gate.open()
    frame = InputAudioRawFrame(b"\x01\x00" * 320, RATE, 1)
    down, _ = await run_test(gate, frames_to_send=[frame])
    assert [f.audio for f in down if isinstance(f, InputAudioRawFrame)] == [frame.audio]


def _frame(value: int) -> rtc.AudioFrame:
    return rtc.AudioFrame(np.full(480, value, np.int16).tobytes(), 24000, 1, 480)


class _Tap:
    """What the recorder is told."""

    def __init__(self):
        self.values: list[int] = []

    def played(self, at: float, pcm: bytes, rate_hz: int) -> None:
        self.values.append(int(np.frombuffer(pcm, np.int16)[0]))

    def cut(self, at: float) -> None:
        pass


async def test_on_a_lent_line_only_the_borrower_is_heard_and_recorded():
    tap = _Tap()
    source = PausableSource(rtc.AudioSource(24000, 1, queue_size_ms=100), tap)
    await source.capture_frame(_frame(1))
    source.lend()
    await source.capture_frame(_frame(2))
    source.hold()
    source.clear_queue()
    assert not source.held
    await source.play(bytes(_frame(3).data.cast("B")))
    assert source.queued_duration > 0
    source.take_back()
    assert source.queued_duration == 0
    await source.play(bytes(_frame(4).data.cast("B")))
    await source.capture_frame(_frame(5))
    assert tap.values == [1, 3, 5]
    await source._source.aclose()


async def test_a_line_can_be_lent_while_a_frame_of_the_pipeline_waits_for_room():
    tap = _Tap()
    source = PausableSource(rtc.AudioSource(24000, 1, queue_size_ms=100), tap)
    for _ in range(20):
        source.take_back()
        speaking = [asyncio.create_task(source.capture_frame(_frame(1))) for _ in range(9)]
        await asyncio.sleep(0.005)
        source.lend()
        await source.play(bytes(_frame(2).data.cast("B")))
        assert not [t for t in await asyncio.gather(*speaking, return_exceptions=True) if t]
    await source._source.aclose()


async def test_a_voice_follows_a_sentence_that_was_cut_short():
    source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
    entrance = OneAtATime(source)
    piece = rtc.AudioFrame(PIECE, RATE, 1, len(PIECE) // 2)

    async def sentence() -> None:
        while True:
            await entrance.capture(piece)

    for _ in range(20):
        speaking = asyncio.create_task(sentence())
        await asyncio.sleep(0.02)
        speaking.cancel()
        source.clear_queue()
        async with asyncio.timeout(2):
            await entrance.capture(piece)
    await source.aclose()


async def test_a_held_line_can_be_lent():
    tap = _Tap()
    source = PausableSource(rtc.AudioSource(24000, 1, queue_size_ms=100), tap)
    await source.capture_frame(_frame(1))
    source.hold()
    waiting = asyncio.create_task(source.capture_frame(_frame(2)))
    await asyncio.sleep(0)
    source.lend()
    await waiting
    await source.play(bytes(_frame(3).data.cast("B")))
    assert tap.values == [1, 3]
    source.take_back()
    await source._source.aclose()


async def test_hold_music_fades_and_a_word_is_spoken_between():
    line = PacedLine()
    word = np.full(24000 // 10, 9999, np.int16).tobytes()
    player = HoldPlayer(line, word, every_secs=0.2)  # type: ignore[arg-type]
    player.start()
    await until(lambda: line.count(9999) >= 2 * 2400, 6)
    await player.stop()
    await player.stop()
    sound = np.concatenate(line.pieces)
    assert np.abs(sound[:480]).max() < 300, "it begins softly"
    assert np.abs(sound[-480:]).max() < 300 or sound[-1] == 9999
    assert not line.playing


class PacedLine:
    """Plays five times as fast as a line does."""

    sample_rate = 24000

    def __init__(self):
        self.pieces: list[np.ndarray] = []
        self.playing = 0

    async def play(self, pcm: bytes) -> None:
        self.playing += 1
        try:
            await asyncio.sleep(0.004)
            self.pieces.append(np.frombuffer(pcm, np.int16))
        finally:
            self.playing -= 1

    def count(self, value: int) -> int:
        return sum(int((piece == value).sum()) for piece in self.pieces)
