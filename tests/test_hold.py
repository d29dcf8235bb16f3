"""A line on hold is told from a caller who says nothing, by the audio alone."""

import asyncio

import numpy as np
import pytest
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    StartFrame,
    UserAudioRawFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams

from processors import hold_watch
from processors.hold_clock import HoldClock, is_dead
from processors.hold_watch import HoldWatch

NOISE, DEAD = False, True


class _Line:
    """Frames of 20 ms into a clock, and what it says when."""

    def __init__(self):
        self.clock = HoldClock()
        self.at = 0.0
        self.changes: list[tuple[float, str]] = []

    def send(self, dead: bool, secs: float) -> "_Line":
        for _ in range(round(secs / 0.02)):
            self.at += 0.02
            if change := self.clock.hear(dead, self.at):
                self.changes.append((round(self.at, 2), change))
        return self

    @property
    def kinds(self) -> list[str]:
        return [change for _, change in self.changes]


def test_line_is_held_after_two_seconds_of_dead_silence_and_back_with_its_noise():
    line = _Line().send(NOISE, 5).send(DEAD, 20).send(NOISE, 1)
    assert line.kinds == ["began", "ended"]
    (began, _), (ended, _) = line.changes
    assert 7.0 <= began <= 7.1 and 25.0 < ended <= 25.1


def test_caller_who_says_nothing_into_a_living_microphone_holds_nothing():
    assert not _Line().send(NOISE, 600).changes


def test_line_that_never_lived_is_not_held():
    assert not _Line().send(DEAD, 60).changes


def test_click_on_the_held_line_brings_nobody_back():
    line = _Line().send(NOISE, 5).send(DEAD, 20).send(NOISE, 0.04).send(DEAD, 20)
    assert line.kinds == ["began"]


def test_line_that_is_dead_between_words_anyhow_is_never_held():
    line = _Line().send(NOISE, 1)
    for _ in range(3):
        line.send(DEAD, 1).send(NOISE, 2)
    assert line.clock.gated and not line.send(DEAD, 60).changes


def test_short_losses_of_the_network_do_not_make_a_line_gated():
    line = _Line().send(NOISE, 1)
    for _ in range(10):
        line.send(DEAD, 0.08).send(NOISE, 2)
    assert line.send(DEAD, 5).kinds == ["began"]


def test_line_that_stops_sending_is_held_too():
    line = _Line().send(NOISE, 5)
    assert line.clock.pass_time(5.5) is None
    assert line.clock.pass_time(7.6) == "began"
    assert line.clock.pass_time(9.0) is None
    assert line.send(NOISE, 1).kinds == ["ended"]


def test_only_silence_to_the_last_bit_is_dead():
    noise = np.random.default_rng(1).normal(0, 32768 * 10 ** (-78 / 20), 320)
    assert not is_dead(noise.astype(np.int16).tobytes())
    assert is_dead(b"\0" * 640) and is_dead((np.zeros(320, np.int16) + 8).tobytes())
    assert is_dead(b"")


class _Elsewhere(FrameProcessor):
    """Somebody who makes audio frames of their own, such as a secret entry."""


async def _pushed(watch: HoldWatch, source: FrameProcessor, frame: Frame) -> None:
    data = FramePushed(source, source, frame, FrameDirection.DOWNSTREAM, 0)
    await watch.on_push_frame(data)


@pytest.mark.parametrize("from_line, events", [(True, ["began", "ended 3.0"]), (False, [])])
async def test_only_what_comes_off_the_line_counts(from_line, events):
    now, told = 0.0, []
    watch = HoldWatch(now=lambda: now)
    watch.add_event_handler("on_hold_began", lambda _: told.append("began"))
    watch.add_event_handler("on_hold_ended", lambda _, secs: told.append(f"ended {secs:.1f}"))
    line = BaseInputTransport(TransportParams())
    noise = np.random.default_rng(1).integers(-50, 50, 320, np.int16).tobytes()
    for audio, secs in ((noise, 1.0), (bytes(640), 2.94), (noise, 0.1)):
        for _ in range(round(secs / 0.02)):
            now += 0.02
            frame = UserAudioRawFrame(audio, 16000, 1, user_id="caller")
            assert isinstance(frame, InputAudioRawFrame)
            await _pushed(watch, line if from_line else _Elsewhere(), frame)
    await asyncio.sleep(0)
    assert told == events and not watch.held
    await watch.cleanup()


@pytest.mark.parametrize("ends, events", [(False, ["began"]), (True, [])])
async def test_line_that_sends_nothing_is_held_unless_the_call_ends(ends, events, monkeypatch):
    monkeypatch.setattr(hold_watch, "MISSING_SECS", 0.02)
    now, told = 100.0, []
    watch = HoldWatch(now=lambda: now)
    watch.add_event_handler("on_hold_began", lambda _: told.append("began"))
    line = BaseInputTransport(TransportParams())
    await _pushed(watch, line, StartFrame())
    noise = np.random.default_rng(1).integers(-50, 50, 320, np.int16).tobytes()
    for _ in range(10):
        await _pushed(watch, line, UserAudioRawFrame(noise, 16000, 1, user_id="caller"))
    if ends:
        await _pushed(watch, line, EndFrame())
    for _ in range(5):
        now += 1
        await asyncio.sleep(0.05)
    assert told == events
    await watch.cleanup()
