"""The stages of a turn, by frames in and an event out."""

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotStartedSpeakingFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import SleepFrame, run_test

from processors.latency_tracer import LatencyTracer
from records.latency import TurnLatency

TOOL = {"function_name": "find_table", "tool_call_id": "1", "arguments": {}}


def _transcript(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "caller", "")


async def _turns(*frames) -> list[TurnLatency]:
    tracer, turns, paced = LatencyTracer(), [], []
    for frame in frames:
        paced += [frame, SleepFrame(0.03)]

    @tracer.event_handler("on_turn_latency")
    async def on_turn_latency(_, turn: TurnLatency):
        turns.append(turn)

    await run_test(IdentityFilter(), frames_to_send=[*paced, SleepFrame(0.05)], observers=[tracer])
    return turns


def _asked() -> list:
    return [
        VADUserStartedSpeakingFrame(),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        _transcript("book a table"),
        UserStoppedSpeakingFrame(),
    ]


def _answer() -> list:
    return [
        LLMTextFrame("Sure."),
        AggregatedTextFrame("Sure.", "sentence"),
        TTSAudioRawFrame(bytes(960), 24000, 1),
        BotStartedSpeakingFrame(),
    ]


async def test_stages_add_up():
    (turn,) = await _turns(*_asked(), *_answer())
    stages = (
        turn.transcription,
        turn.turn_decision,
        turn.llm,
        turn.sentence,
        turn.synthesis,
        turn.output,
    )
    assert turn.endpointing == pytest.approx(0.2) and turn.tools == 0
    assert all(0.025 < stage < 0.09 for stage in stages), stages
    assert turn.total == pytest.approx(0.2 + sum(stages))


async def test_a_tool_has_a_stage_of_its_own():
    (turn,) = await _turns(
        *_asked(),
        FunctionCallInProgressFrame(**TOOL),
        FunctionCallResultFrame(**TOOL, result="ok"),
        *_answer(),
    )
    assert 0.025 < turn.llm < 0.06 < turn.tools < 0.15


async def test_words_spoken_before_the_tool_are_the_answer():
    (turn,) = await _turns(
        *_asked(),
        LLMTextFrame("One moment."),
        AggregatedTextFrame("One moment.", "sentence"),
        FunctionCallInProgressFrame(**TOOL),
        TTSAudioRawFrame(bytes(960), 24000, 1),
        BotStartedSpeakingFrame(),
    )
    assert turn.tools == 0 and turn.synthesis > 0.05


async def test_a_turn_resumed_by_the_caller_counts_from_the_last_silence():
    (turn,) = await _turns(
        VADUserStartedSpeakingFrame(),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        _transcript("book"),
        *_asked(),
        *_answer(),
    )
    assert turn.transcription < 0.09


async def test_a_transcript_before_the_vad_stop_takes_no_time():
    (turn,) = await _turns(
        VADUserStartedSpeakingFrame(),
        _transcript("yes"),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        UserStoppedSpeakingFrame(),
        *_answer(),
    )
    assert turn.transcription == 0 and turn.turn_decision > 0.025


async def test_a_second_copy_of_the_vads_frames_changes_nothing():
    (turn,) = await _turns(
        *(VADUserStartedSpeakingFrame() for _ in range(2)),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        _transcript("yes"),
        UserStoppedSpeakingFrame(),
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        *_answer(),
    )
    assert turn.transcription > 0.025 and turn.llm > 0.05


async def test_a_greeting_is_no_turn():
    assert await _turns(*_answer()) == []


async def test_an_answer_interrupted_before_it_was_heard_is_not_counted():
    assert await _turns(*_asked(), LLMTextFrame("Sure."), InterruptionFrame(), *_answer()) == []
