"""Keys of the caller: what is registered for them, and what nobody wants."""

import asyncio

import pytest
from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import Frame, InputDTMFFrame, InterruptionFrame
from pipecat.tests.utils import SleepFrame, run_test

from processors.keypad import Keypad
from processors.keypad_frames import KeysEnteredFrame
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
