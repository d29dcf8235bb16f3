"""Keys of the caller: what is registered for them, and what nobody wants."""

import asyncio

import pytest
from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    FunctionCallInProgressFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMMessagesAppendFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test

from processors.hush import HushProcessor
from processors.keypad import Keypad
from processors.keypad_frames import HushFrame, KeyEntryFrame, KeysEnteredFrame
from processors.number_entry import NumberEntered, NumberSpec
from transports.frames import CallerKeyFrame

logger.remove()


def keys(digits: str) -> list[Frame]:
    return [CallerKeyFrame(button=KeypadEntry(digit)) for digit in digits]


def of(frames, kind) -> list:
    return [frame for frame in frames if isinstance(frame, kind)]


async def test_a_registered_key_interrupts_the_bot_and_acts():
    pressed = []
    keypad = Keypad()
    keypad.on_key("0", lambda: note(pressed, "0"))
    down, up = await run_test(keypad, frames_to_send=[*keys("0"), SleepFrame(0.05)])
    assert pressed == ["0"]
    assert len(of(down, InterruptionFrame)) == len(of(up, InterruptionFrame)) == 1
    assert [(f.keys, f.count) for f in of(down, KeysEnteredFrame)] == [("0", 1)]
    assert not of(down, InputDTMFFrame)


async def note(into: list, key: str) -> None:
    into.append(key)


async def test_a_key_that_nobody_wants_travels_on():
    down, _ = await run_test(Keypad(), frames_to_send=[*keys("5"), SleepFrame(0.02)])
    assert [f.button.value for f in of(down, InputDTMFFrame)] == ["5"]
    assert [f.keys for f in of(down, KeysEnteredFrame)] == ["5"]
    assert not of(down, InterruptionFrame)


async def test_a_key_pressed_again_while_it_acts_does_nothing_more():
    begun = []

    async def slow() -> None:
        begun.append(1)
        await asyncio.sleep(10)

    keypad = Keypad()
    keypad.on_key("0", slow, interrupts=False)
    down, _ = await run_test(keypad, frames_to_send=[*keys("000"), SleepFrame(0.05)])
    assert begun == [1]
    assert not of(down, InterruptionFrame)
    assert len(of(down, KeysEnteredFrame)) == 3


async def test_the_latest_registration_counts_until_it_is_taken_back():
    pressed = []
    keypad = Keypad()
    keypad.on_key("*", lambda: note(pressed, "menu"), interrupts=False)
    take_back = keypad.on_key("*", lambda: note(pressed, "bridge"), interrupts=False)
    await run_test(keypad, frames_to_send=[*keys("*"), SleepFrame(0.05)])
    take_back()
    take_back()
    assert pressed == ["bridge"]
    await run_test(keypad, frames_to_send=[*keys("*"), SleepFrame(0.05)])
    assert pressed == ["bridge", "menu"]


def test_there_are_twelve_keys():
    with pytest.raises(ValueError, match="'A' is not one of the keys 0 1 2"):
        Keypad().on_key("A", lambda: note([], "A"))


def test_no_log_of_frames_shows_a_key():
    frame = CallerKeyFrame(button=KeypadEntry("*"))
    entered = KeysEnteredFrame("*", 1)
    assert "*" not in f"{frame} {frame!r} {entered} {entered!r}"


SPEC = NumberSpec(min_digits=3, max_digits=6, first_key_secs=0.2, next_key_secs=0.2)
VOICE = InputAudioRawFrame(b"\x11\x22" * 320, 16000, 1)


class Asking(FrameProcessor):
    """A tool that asks as soon as somebody wants it to: put in front of the keypad."""

    def __init__(self, keypad: Keypad, asking):
        super().__init__()
        self._keypad, self._asking = keypad, asking
        self.result = None
        self.task: asyncio.Task | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, FunctionCallInProgressFrame):
            self.task = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        self.result = await self._asking(self._keypad)


ASK = FunctionCallInProgressFrame("collect_digits", "1", {})


async def enter(asking, *frames: Frame):
    """Ask for a number, send frames; what came of it, and the frames of both directions."""
    keypad = Keypad()
    tool = Asking(keypad, asking)
    sent = [ASK, SleepFrame(0.05), *frames, SleepFrame(0.1)]
    down, up = await run_test(Pipeline([tool, keypad]), frames_to_send=sent)
    return tool, down, up


async def test_a_number_is_asked_for_again_until_it_is_one():
    tool, down, _ = await enter(
        lambda keypad: keypad.collect(SPEC, ask="Your number?", again="Once more?"),
        *keys("12#"),
        SleepFrame(0.05),
        *keys("345#"),
    )
    assert tool.result == NumberEntered("entered", "345")
    assert [f.text for f in of(down, TTSSpeakFrame)] == ["Your number?", "Once more?"]
    assert [(f.keys, f.count) for f in of(down, KeysEnteredFrame)] == [("12", 3), ("345", 4)]
    assert [f.active for f in of(down, KeyEntryFrame)] == [True, False]
    assert len(of(down, HushFrame)) == 2  # a key ends the question, each time
    assert not of(down, InputDTMFFrame) and not of(down, InterruptionFrame)


async def test_after_the_last_attempt_the_bot_is_told_why():
    tool, down, _ = await enter(
        lambda keypad: keypad.collect(SPEC, tries=2), *keys("1"), SleepFrame(0.8)
    )
    assert tool.result == NumberEntered("silent", "")
    assert [f.keys for f in of(down, KeysEnteredFrame)] == ["1"]


async def test_the_star_gives_up_at_once():
    tool, _, _ = await enter(lambda keypad: keypad.collect(SPEC, ask="Your number?"), *keys("1**"))
    assert tool.result == NumberEntered("cancelled", "")


async def test_no_time_passes_while_the_question_is_said():
    tool, _, _ = await enter(
        lambda keypad: keypad.collect(SPEC, tries=1),
        BotStartedSpeakingFrame(),
        SleepFrame(0.5),
        BotStoppedSpeakingFrame(),
        SleepFrame(0.1),
        *keys("123456"),
    )
    assert tool.result == NumberEntered("entered", "123456")


async def test_a_caller_who_speaks_instead_takes_the_keyed_digits_along():
    async def interrupted(keypad: Keypad):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await keypad.collect(SPEC)
        return "interrupted"

    tool, down, _ = await enter(interrupted, *keys("47"), SleepFrame(0.2), *keys("8"))
    assert tool.result == "interrupted"
    (told,) = of(down, LLMMessagesAppendFrame)
    assert "4 7" in str(told.messages) and told.run_llm is False
    assert [f.keys for f in of(down, KeysEnteredFrame)] == ["47", "8"]


async def test_a_secret_number_leaves_no_trace():
    tool, down, up = await enter(
        lambda keypad: keypad.collect_secret(SPEC, ask="Your PIN?"),
        VOICE,
        *keys("123456"),
        SleepFrame(0.05),
        *keys("7"),  # one digit too many
        VOICE,
        SleepFrame(0.6),
        VOICE,
    )
    assert tool.result.verdict == "entered" and tool.result.count == 6
    assert tool.result.secret.get_secret_value() == "123456"
    assert "1" not in repr(tool.result.secret)
    assert [(f.keys, f.count, f.secret) for f in of(down, KeysEnteredFrame)] == [
        ("", 6, True),
        ("", 1, True),
    ]
    heard = [any(f.audio) for f in of(down, InputAudioRawFrame)]
    assert heard == [False, False, True]
    assert not of(down, InputDTMFFrame)
    marks = [(f.active, f.secret) for f in of(up, KeyEntryFrame)]
    assert marks == [(True, True), (False, True)]  # the recorder sits before the keypad
    assert VOICE.audio[:2] == b"\x11\x22"


async def test_two_numbers_are_not_asked_for_at_once():
    async def twice(keypad: Keypad):
        first = asyncio.create_task(keypad.collect(SPEC, tries=1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="Another number"):
            await keypad.collect(SPEC)
        return await first

    tool, _, _ = await enter(twice, *keys("123#"))
    assert tool.result == NumberEntered("entered", "123")


async def test_a_hush_interrupts_only_what_lies_behind():
    down, up = await run_test(HushProcessor(), frames_to_send=[HushFrame()])
    assert len(of(down, InterruptionFrame)) == 1
    assert not of(up, InterruptionFrame) and not of(down, HushFrame)
