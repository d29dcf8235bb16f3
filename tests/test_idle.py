"""Silence is counted only while nobody speaks, nothing is thought and nobody waits on purpose."""

import asyncio
import dataclasses

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors import deaf_watch
from processors.deaf_watch import DeafWatch
from processors.idle_clock import IdleClock
from processors.idle_watch import IdleWatch
from tests.fakes_room import until

CALL = {"function_name": "book", "tool_call_id": "1", "arguments": {}}


def test_clock_starts_anew_when_the_last_thing_ends():
    clock = IdleClock(8.0, at=100.0)
    assert clock.left_secs(103.0) == 5.0
    clock.begin("bot")
    clock.begin("caller")
    clock.end("bot", 110.0)
    assert clock.left_secs(120.0) is None and not clock.is_quiet
    clock.end("caller", 120.0)
    clock.end("bot", 125.0)  # long over
    assert clock.left_secs(121.0) == 7.0 and clock.silent_secs(121.0) == 1.0
    assert clock.left_secs(130.0) == 0.0


def test_sign_of_life_starts_the_clock_anew():
    clock = IdleClock(8.0)
    clock.touch(5.0)
    assert clock.left_secs(9.0) == 4.0


async def _push(observer, *frames: Frame) -> None:
    source = FrameProcessor()
    for frame in frames:
        data = FramePushed(source, source, frame, FrameDirection.DOWNSTREAM, 0)
        await observer.on_push_frame(data)


@dataclasses.dataclass
class _Idle:
    """A watch that counts 50 ms of silence."""

    watch: IdleWatch
    told: list[int]

    async def is_counted(self) -> None:
        count = len(self.told)
        await until(lambda: len(self.told) > count, 5)

    async def is_not_counted(self) -> None:
        count = len(self.told)
        await asyncio.sleep(0.15)
        assert len(self.told) == count


@pytest.fixture
async def idle():
    watch, told = IdleWatch(0.05), []
    watch.add_event_handler("on_idle", lambda _, number, secs: told.append(number))
    watch.start()
    yield _Idle(watch, told)
    await watch.cleanup()


async def test_silence_is_counted_again_and_again(idle):
    await until(lambda: len(idle.told) == 3, 5)
    assert idle.told == [1, 2, 3]


@pytest.mark.parametrize(
    "begin, end",
    [
        (BotStartedSpeakingFrame(), BotStoppedSpeakingFrame()),
        (VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame()),
        (UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()),
        (LLMFullResponseStartFrame(), LLMFullResponseEndFrame()),
        (LLMFullResponseStartFrame(), InterruptionFrame()),
        (FunctionCallInProgressFrame(**CALL), FunctionCallResultFrame(**CALL, result="ok")),
    ],
)
async def test_nothing_is_counted_while_somebody_speaks_or_thinks(idle, begin, end):
    await _push(idle.watch, begin)
    await idle.is_not_counted()
    assert not await idle.watch.wait_quiet(0.01)
    await _push(idle.watch, end)
    assert await idle.watch.wait_quiet(1)
    await idle.is_counted()


async def test_nothing_is_counted_while_the_line_is_held_and_then_the_count_begins_anew(idle):
    await until(lambda: len(idle.told) == 2, 5)
    idle.watch.line_held()
    await idle.is_not_counted()
    idle.watch.line_back()
    await idle.is_counted()
    assert idle.told[2] == 1


async def test_nothing_is_counted_while_the_caller_waits_on_purpose(idle):
    with idle.watch.suspended():
        with idle.watch.suspended():
            await idle.is_not_counted()
        assert idle.watch.is_suspended
        await idle.is_not_counted()
    assert not idle.watch.is_suspended
    await idle.is_counted()


@pytest.mark.parametrize(
    "sign", [TranscriptionFrame("Yes.", "c", "t"), InputDTMFFrame(button=KeypadEntry.ONE)]
)
async def test_word_or_key_begins_the_count_anew(idle, sign):
    await until(lambda: len(idle.told) == 2, 5)
    await _push(idle.watch, sign)
    await idle.is_counted()
    assert idle.told[2] == 1


@pytest.fixture
async def deaf(monkeypatch):
    monkeypatch.setattr(deaf_watch, "WORDS_SECS", 0.02)
    now, told = [0.0], []
    watch = DeafWatch(now=lambda: now[0])
    watch.add_event_handler("on_unheard", lambda _, turns: told.append(turns))

    async def speaks(secs: float, *between: Frame) -> list[int]:
        await _push(watch, VADUserStartedSpeakingFrame())
        now[0] += secs + 0.2
        await _push(watch, *between, VADUserStoppedSpeakingFrame(stop_secs=0.2))
        await asyncio.sleep(0.06)
        return told

    yield speaks, watch
    await watch.cleanup()


async def test_turns_without_a_word_are_counted_until_a_word_comes(deaf):
    speaks, watch = deaf
    await speaks(2)
    assert await speaks(1) == [1, 2]
    await _push(watch, TranscriptionFrame("Hello.", "c", "t"))
    assert await speaks(2) == [1, 2, 1]


async def test_cough_is_no_turn(deaf):
    speaks, _ = deaf
    assert await speaks(0.4) == []


async def test_word_that_comes_while_the_caller_speaks_counts(deaf):
    speaks, _ = deaf
    assert await speaks(3, TranscriptionFrame("Hello.", "c", "t")) == []


async def test_noise_over_the_bot_is_no_turn(deaf):
    speaks, watch = deaf
    await _push(watch, BotStartedSpeakingFrame())
    assert await speaks(3) == []
    await _push(watch, BotStoppedSpeakingFrame())
    assert await speaks(3) == [1]


async def test_pause_inside_a_turn_makes_no_second_one(deaf):
    speaks, watch = deaf
    await _push(watch, VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame(stop_secs=0.2))
    assert await speaks(1) == [1]
