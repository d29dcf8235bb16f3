"""The recording: both sides on one clock, what was really played, nothing lost by a crash."""

import asyncio
import time

import numpy as np
import pytest
from livekit import rtc
from pipecat.frames.frames import ErrorFrame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import SleepFrame, run_test

from processors.recorder import RecorderProcessor
from processors.tape_lane import TapeLane
from records.wav import read_stereo
from tests.fakes_room import FakeRoom, running_call, until

RATE = 16000


def _tone(secs: float, rate_hz: int = RATE) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * 500 * np.arange(int(secs * rate_hz)) / rate_hz)).astype(
        np.int16
    )


def _spans(signal: np.ndarray) -> list[tuple[float, float]]:
    """Loud parts as seconds, to 10 ms; gaps below 30 ms do not count."""
    blocks = np.abs(signal[: len(signal) // 160 * 160].reshape(-1, 160)).max(axis=1) > 1000
    spans: list[tuple[float, float]] = []
    for i in np.flatnonzero(blocks):
        if spans and i * 0.01 - spans[-1][1] < 0.03:
            spans[-1] = (spans[-1][0], (i + 1) * 0.01)
        else:
            spans.append((i * 0.01, (i + 1) * 0.01))
    return spans


def test_pieces_that_touch_are_joined_and_gaps_are_silent():
    lane = TapeLane(RATE)
    lane.lay(0.1, np.full(160, 1, np.int16))
    lane.lay(0.1101, np.full(160, 2, np.int16))  # rounded, 0.1 ms late
    lane.lay(0.5, np.full(160, 3, np.int16))
    signal = lane.take(0.6)
    assert len(signal) == 0.6 * RATE
    assert [int(signal[i]) for i in (1599, 1600, 1759, 1760, 1919, 1920, 8000)] == [
        *(0, 1, 1, 2, 2, 0, 3)
    ]


def test_what_is_cut_was_never_heard():
    lane = TapeLane(RATE)
    lane.lay(0.0, np.full(RATE, 1, np.int16))
    assert lane.take(0.2).all()
    lane.cut(0.5)
    lane.lay(0.7, np.full(RATE // 10, 2, np.int16))
    rest = lane.take(1.0)
    assert np.count_nonzero(rest == 1) == 0.3 * RATE and np.count_nonzero(rest == 2) == RATE // 10


def test_jitter_and_a_stalled_loop_move_nothing():
    lane = TapeLane(RATE)
    counted = np.arange(1, 320 * 60 + 1).astype(np.int16)
    for i in range(60):
        late = 0.4 - (i - 20) * 0.02 if 20 <= i < 40 else (i * 7 % 9) / 1000
        lane.append((i + 1) * 0.02 + late, counted[i * 320 : (i + 1) * 320])
    signal = lane.take(1.2)
    sounding = signal[signal > 0]
    assert np.array_equal(sounding, counted[: len(sounding)]) and len(sounding) > 1.19 * RATE


def test_a_stream_that_really_lags_is_moved():
    lane = TapeLane(RATE)
    for i in range(100):
        gap = 0.3 if i >= 20 else 0.0
        lane.append((i + 1) * 0.02 + gap, np.full(320, i + 1, np.int16))
    signal = lane.take(2.3)
    assert signal[round(2.29 * RATE)] == 100


@pytest.fixture
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


@pytest.mark.parametrize("rate_hz", [16000, 24000])
async def test_both_sides_lie_where_they_were_heard(fake_room, tmp_path, rate_hz):
    path = tmp_path / "call.wav"
    recorder = RecorderProcessor(path)
    async with running_call(recorder, tap=recorder, out_rate_hz=rate_hz) as (transport, _, _):
        recorder.start()
        source, caller = transport.source, rtc.AudioSource(48000, 1, queue_size_ms=1000)
        transport.room.publish(transport.room.remote_participants["sip_caller"], caller)
        tone = _tone(0.5, rate_hz).tobytes()
        await asyncio.sleep(0.1)
        started = time.monotonic()
        played = asyncio.create_task(_play(source, tone, rate_hz))
        await asyncio.sleep(0.2)
        held = time.monotonic()
        source.hold()
        await asyncio.sleep(0.2)
        resumed = time.monotonic()
        await source.resume()
        await played
        await caller.capture_frame(rtc.AudioFrame(_tone(0.2, 48000).tobytes(), 48000, 1, 9600))
        began = recorder._zero
        spoke_at = time.monotonic() - began
        await asyncio.sleep(0.5)
        secs = await recorder.stop()
        await caller.aclose()
    left, right, rate = read_stereo(path)
    assert rate == RATE and len(left) / RATE == pytest.approx(secs, abs=0.01)
    (first, second), ((start, end),) = _spans(right), _spans(left)
    rest = 0.5 - (held - started)
    assert first == pytest.approx((started - began, held - began), abs=0.03)
    assert second == pytest.approx((resumed - began, resumed - began + rest), abs=0.06)
    assert end - start == pytest.approx(0.2, abs=0.02)
    assert start == pytest.approx(spoke_at, abs=0.06)


async def _play(source, tone: bytes, rate_hz: int) -> None:
    step = rate_hz // 50 * 2
    for at in range(0, len(tone), step):
        part = tone[at : at + step]
        await source.capture_frame(rtc.AudioFrame(part, rate_hz, 1, len(part) // 2))


async def test_what_is_on_disk_is_never_a_second_old(fake_room, tmp_path):
    path = tmp_path / "call.wav"
    recorder = RecorderProcessor(path)
    async with running_call(recorder, tap=recorder):
        recorder.start()
        began, worst = time.monotonic(), 0.0
        while time.monotonic() - began < 2.0:
            await asyncio.sleep(0.05)
            on_disk = max(0, path.stat().st_size - 44) / 4 / RATE if path.exists() else 0.0
            worst = max(worst, time.monotonic() - began - on_disk)
    assert worst < 1.0


async def test_a_disk_that_refuses_is_reported_once_and_the_call_goes_on(tmp_path):
    recorder = RecorderProcessor(tmp_path / "missing" / "call.wav")

    class Starts(IdentityFilter):
        async def process_frame(self, frame, direction):
            await super().process_frame(frame, direction)
            if isinstance(frame, OutputAudioRawFrame):
                recorder.start()

    from pipecat.pipeline.pipeline import Pipeline

    audio = InputAudioRawFrame(bytes(640), RATE, 1)
    down, up = await run_test(
        Pipeline([Starts(), recorder]),
        frames_to_send=[OutputAudioRawFrame(bytes(2), RATE, 1), SleepFrame(0.2), audio],
    )
    assert len([f for f in up if isinstance(f, ErrorFrame)]) == 1
    assert audio.id in {f.id for f in down}
    assert not recorder.recording and await recorder.stop() == 0


async def test_a_recorder_that_was_never_started_writes_nothing(fake_room, tmp_path):
    recorder = RecorderProcessor(tmp_path / "call.wav")
    async with running_call(recorder, tap=recorder) as (transport, _, _):
        await transport.source.capture_frame(rtc.AudioFrame(bytes(640), RATE, 1, 320))
        await until(lambda: transport.source.queued_duration == 0)
    assert list(tmp_path.iterdir()) == []
