"""What a caller's sound over a talking bot leads to, with short timers."""

import asyncio
import time

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.utils.asyncio.task_manager import TaskManager
from pipecat.utils.base_object import BaseObject

from processors import two_step_start_strategy
from processors.two_step_start_strategy import TwoStepStartStrategy
from tests.fakes_room import until


class _Source:
    def __init__(self, log: list[str]):
        self.held = False
        self.log = log

    def hold(self, rewind_secs: float) -> None:
        self.held = True
        self.log.append("hold")

    async def resume(self) -> None:
        self.held = False
        self.log.append("resume")


class _Call:
    """A strategy over a bot; ``log`` tells what happened to the sound and the turn."""

    def __init__(self):
        self.log: list[str] = []
        self.source = _Source(self.log)
        self.strategy = TwoStepStartStrategy(
            source=lambda: self.source, blip_secs=0.03, sustain_secs=0.1, word_secs=0.05
        )
        for event, name in (
            ("on_user_turn_started", "turn"),
            ("on_reset_aggregation", "forget"),
            ("on_line_held", "held"),
            ("on_line_resumed", "resumed"),
        ):
            self.strategy.add_event_handler(event, lambda *_, name=name: self.log.append(name))

    async def see(self, *frames) -> None:
        for frame in frames:
            await self.strategy.process_frame(frame)
            await asyncio.sleep(0.005)


@pytest.fixture
async def silent():
    call = _Call()
    await BaseObject.setup(call.strategy, TaskManager())
    yield call
    await call.strategy.cleanup()


@pytest.fixture
async def call(silent):
    await silent.see(BotStartedSpeakingFrame())
    return silent


async def test_a_blip_is_resumed_soon(call):
    call.strategy.on_onset()
    assert call.log == ["hold"]
    await until(lambda: "resumed" in call.log)
    assert call.log == ["hold", "held", "resume", "resumed"]


async def test_sustained_speech_interrupts_without_a_word(call):
    call.strategy.on_onset()
    began = time.monotonic()
    await call.see(VADUserStartedSpeakingFrame())
    assert call.log == ["hold", "held"]
    await until(lambda: "turn" in call.log)
    assert call.log == ["hold", "held", "turn"] and time.monotonic() - began > 0.09


@pytest.mark.parametrize("text", ["stop please", "4", "Okay, but later"])
@pytest.mark.parametrize("kind", [TranscriptionFrame, InterimTranscriptionFrame])
async def test_a_word_interrupts_at_once(call, text, kind):
    call.strategy.on_onset()
    await call.see(VADUserStartedSpeakingFrame(), kind(text, "", ""))
    assert call.log == ["hold", "held", "turn"]


async def test_a_backchannel_resumes_and_is_no_turn(call):
    call.strategy.on_onset()
    await call.see(
        VADUserStartedSpeakingFrame(),
        VADUserStoppedSpeakingFrame(),
        InterimTranscriptionFrame("uh", "", ""),
        TranscriptionFrame("Uh huh.", "", ""),
    )
    assert call.log == ["hold", "held", "resume", "forget", "resumed"]


async def test_speech_nobody_understood_resumes(call):
    call.strategy.on_onset()
    await call.see(VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
    await until(lambda: "resumed" in call.log)
    assert call.log == ["hold", "held", "resume", "resumed"]


async def test_a_silent_bot_is_answered_at_once(silent):
    silent.strategy.on_onset()
    await silent.see(VADUserStartedSpeakingFrame())
    assert silent.log == ["turn"]


@pytest.mark.parametrize("text", ["okay", "yes"])
async def test_a_word_the_vad_never_heard_starts_the_turn_over_a_silent_bot(silent, text):
    await silent.see(
        BotStartedSpeakingFrame(), BotStoppedSpeakingFrame(), TranscriptionFrame(text, "", "")
    )
    assert silent.log == ["turn"]


async def test_a_line_whose_interruption_was_refused_goes_on(call, monkeypatch):
    monkeypatch.setattr(two_step_start_strategy, "REFUSED_SECS", 0.02)
    call.strategy.on_onset()
    await call.see(VADUserStartedSpeakingFrame(), TranscriptionFrame("stop", "", ""))
    await until(lambda: "resumed" in call.log)
    assert call.log == ["hold", "held", "turn", "resume", "resumed"]
