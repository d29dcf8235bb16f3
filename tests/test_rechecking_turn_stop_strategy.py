"""When a caller's turn ends, by what the model says at each question."""

import asyncio
import time

import pytest
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, EndOfTurnState
from pipecat.frames.frames import (
    STTMetadataFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.utils.asyncio.task_manager import TaskManager
from pipecat.utils.base_object import BaseObject

from processors.rechecking_turn_stop_strategy import RecheckingTurnStopStrategy

WORDS = TranscriptionFrame("A table for two.", "", "", finalized=True)


class _Analyzer(BaseTurnAnalyzer):
    """Says what the test tells it to, one answer a question, then always "not finished"."""

    def __init__(self, *answers: bool):
        super().__init__()
        self.answers = list(answers)
        self.asked: list[float] = []

    @property
    def speech_triggered(self):
        return True

    @property
    def params(self):
        return None

    def append_audio(self, buffer, is_speech):
        return EndOfTurnState.INCOMPLETE

    async def analyze_end_of_turn(self):
        self.asked.append(time.monotonic())
        done = self.answers.pop(0) if self.answers else False
        return (EndOfTurnState.COMPLETE if done else EndOfTurnState.INCOMPLETE), None

    def clear(self):
        pass


class _Call:
    def __init__(self, *answers: bool):
        self.analyzer = _Analyzer(*answers)
        self.strategy = RecheckingTurnStopStrategy(
            turn_analyzer=self.analyzer, recheck_secs=(0.05, 0.1, 0.15)
        )
        self.ended: list[float] = []
        self.strategy.add_event_handler(
            "on_user_turn_stopped", lambda *_: self.ended.append(time.monotonic())
        )

    async def see(self, *frames) -> None:
        for frame in frames:
            await self.strategy.process_frame(frame)

    async def spoken(self) -> None:
        await self.see(
            STTMetadataFrame(service_name="stt", ttfs_p99_latency=0.35),
            VADUserStartedSpeakingFrame(),
            VADUserStoppedSpeakingFrame(stop_secs=0.02, timestamp=time.time()),
            WORDS,
        )


@pytest.fixture
async def made():
    calls = []

    async def make(*answers: bool) -> _Call:
        call = _Call(*answers)
        await BaseObject.setup(call.strategy, TaskManager())
        calls.append(call)
        return call

    yield make
    for call in calls:
        await call.strategy.cleanup()


async def test_a_turn_the_model_is_sure_of_ends_at_once(made):
    call = await made(True)
    await call.spoken()
    assert len(call.ended) == 1
    await asyncio.sleep(0.1)
    assert len(call.analyzer.asked) == 1


@pytest.mark.parametrize("answers", [(False, True), (False, False, True)])
async def test_a_turn_the_model_doubts_ends_at_a_later_question(made, answers):
    call = await made(*answers)
    await call.spoken()
    assert call.ended == []
    await asyncio.sleep(0.2)
    assert len(call.ended) == 1 and len(call.analyzer.asked) == len(answers)


async def test_a_caller_who_goes_on_is_asked_about_no_more(made):
    call = await made(False, True)
    await call.spoken()
    await call.see(VADUserStartedSpeakingFrame())
    await asyncio.sleep(0.2)
    assert call.ended == [] and len(call.analyzer.asked) == 1


async def test_the_questions_stop_with_the_turn_and_with_the_call(made):
    call = await made()
    await call.spoken()
    await call.strategy.handle_user_turn_stopped()
    await asyncio.sleep(0.1)
    assert len(call.analyzer.asked) == 1
    await call.spoken()
    await call.strategy.cleanup()
    await asyncio.sleep(0.1)
    assert len(call.analyzer.asked) == 2


async def test_without_an_answer_the_questions_are_few(made):
    call = await made()
    await call.spoken()
    await asyncio.sleep(0.3)
    assert len(call.analyzer.asked) == 4 and call.ended == []
