"""What becomes of the frames of a conversation in the call's record."""

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMContextUserTurnFrame,
    TranscriptionFrame,
    TTSStartedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.tests.utils import SleepFrame, run_test

from processors.keypad_frames import KeysEnteredFrame
from processors.transcript import TranscriptObserver
from records.call_record import CallRecord
from records.events import BotSpoke, CallStarted, ErrorRaised, KeysEntered, ToolReturned
from records.latency import TurnLatency
from records.log import EventLog

TOOL = {"function_name": "find_table", "tool_call_id": "1", "arguments": {"people": 2}}


@pytest.fixture
def events() -> list:
    return []


@pytest.fixture
def transcript(events) -> TranscriptObserver:
    log = EventLog("call-1", events.append)
    log.add(CallStarted, room="room")
    return TranscriptObserver(log)


async def _see(transcript: TranscriptObserver, *frames) -> None:
    paced = [step for frame in frames for step in (frame, SleepFrame(0.005))]
    await run_test(
        IdentityFilter(), frames_to_send=[*paced, SleepFrame(0.02)], observers=[transcript]
    )


def _kinds(events: list) -> list[str]:
    return [event.type for event in events[1:]]


async def test_a_turn_is_written_from_the_first_sound_to_the_answer(transcript, events):
    await _see(
        transcript,
        *(VADUserStartedSpeakingFrame() for _ in range(2)),  # once each way
        InterimTranscriptionFrame("a table", "", ""),
        *(VADUserStoppedSpeakingFrame() for _ in range(2)),
        TranscriptionFrame("A table for two.", "", ""),
        LLMContextUserTurnFrame("A table for two.", ""),
        BotStartedSpeakingFrame(),
        BotStoppedSpeakingFrame(),
        LLMContextAssistantTurnFrame("At what time?", ""),
    )
    assert _kinds(events) == [
        "caller_started_speaking",
        "transcribed",
        "caller_stopped_speaking",
        "transcribed",
        "turn_ended",
        "bot_started_speaking",
        "bot_stopped_speaking",
        "bot_spoke",
    ]
    (turn,) = CallRecord.fold(events).turns
    assert (turn.number, turn.caller_text, turn.bot_text) == (
        1,
        "A table for two.",
        "At what time?",
    )


async def test_an_answer_cut_short_is_marked_as_such(transcript, events):
    await _see(
        transcript,
        LLMContextUserTurnFrame("A table.", ""),
        InterruptionFrame(),  # the caller's own turn began, over a silent bot
        TTSStartedFrame(),
        BotStartedSpeakingFrame(),
        InterruptionFrame(),
        BotStoppedSpeakingFrame(),
        LLMContextAssistantTurnFrame("We have", ""),
        TTSStartedFrame(),
        BotStartedSpeakingFrame(),
        LLMContextAssistantTurnFrame("Fine.", ""),
    )
    spoken = [(e.text, e.interrupted) for e in events if isinstance(e, BotSpoke)]
    assert spoken == [("We have", True), ("Fine.", False)]
    assert _kinds(events).count("bot_interrupted") == 1


async def test_an_answer_cut_short_at_its_first_sound_is_marked_as_such(transcript, events):
    await _see(
        transcript,
        TTSStartedFrame(),
        InterruptionFrame(),
        BotStartedSpeakingFrame(),  # the interruption is not there yet
        BotStoppedSpeakingFrame(),
        LLMContextAssistantTurnFrame("We", ""),
    )
    assert [e.interrupted for e in events if isinstance(e, BotSpoke)] == [True]


async def test_a_greeting_belongs_to_no_turn(transcript, events):
    await _see(transcript, BotStartedSpeakingFrame(), LLMContextAssistantTurnFrame("Hello.", ""))
    assert [e.turn for e in events if isinstance(e, BotSpoke)] == [0]


async def test_tools_are_called_and_return_once(transcript, events):
    other = TOOL | {"tool_call_id": "2"}
    await _see(
        transcript,
        FunctionCallInProgressFrame(**TOOL),
        FunctionCallResultFrame(**TOOL, result="ok"),
        FunctionCallInProgressFrame(**other),
        FunctionCallCancelFrame("find_table", "2"),
        FunctionCallResultFrame(**other, result="late"),
    )
    returned = [(e.tool_call_id, e.error) for e in events if isinstance(e, ToolReturned)]
    assert returned == [("1", None), ("2", "cancelled")]
    assert events[1].arguments == {"people": 2}


async def test_keys_and_errors_are_written(transcript, events):
    await _see(
        transcript,
        KeysEnteredFrame("5", 1),
        ErrorFrame("socket closed", processor=IdentityFilter(name="stt")),
    )
    assert [e.keys for e in events if isinstance(e, KeysEntered)] == ["5"]
    (error,) = [e for e in events if isinstance(e, ErrorRaised)]
    assert (error.source, error.message) == ("stt", "socket closed")


def test_what_no_frame_tells_comes_by_the_methods(transcript, events):
    transcript.line_held()
    transcript.line_resumed()
    transcript.turn_measured(
        TurnLatency(
            endpointing=0.2,
            transcription=0,
            turn_decision=0,
            llm=0.1,
            sentence=0,
            synthesis=0.1,
            output=0,
        )
    )
    assert _kinds(events) == ["line_held", "line_resumed", "turn_measured"]
