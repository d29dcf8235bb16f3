"""The demo tells a call as a story, judges it, and works: with real models, over real SIP."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from local.callers.report import CallReport, Finding
from local.demo.story import Story, stages
from local.demo.summary import judge
from local.demo.view import LiveView, PlainView
from records.events import (
    AnyEvent,
    BotInterrupted,
    BotSpoke,
    BotStartedSpeaking,
    CallEnded,
    CallerStartedSpeaking,
    CallerStoppedSpeaking,
    Transcribed,
    TurnEnded,
)
from records.latency import TurnLatency
from records.transfer_events import CallBridged, DeskAnswered, DeskFailed, TransferStarted

ROOT = Path(__file__).parent.parent
RECORD = {"outcome": "completed", "errors": [], "recording": "file:///x.wav"}


def _event(kind: type, seq: int, **fields) -> AnyEvent:
    return kind(call_id="c", seq=seq, at=datetime.now(UTC), t=float(seq), **fields)


def _call() -> list[AnyEvent]:
    return [
        _event(BotSpoke, 1, turn=0, text="Good evening.", interrupted=False),
        _event(CallerStartedSpeaking, 2),
        _event(Transcribed, 3, text="A table", final=False),
        _event(CallerStoppedSpeaking, 4),
        _event(TurnEnded, 5, turn=1, text="A table for two."),
        _event(BotStartedSpeaking, 6),
        _event(BotInterrupted, 7),
        _event(BotSpoke, 8, turn=1, text="I could", interrupted=True),
        _event(CallEnded, 9, outcome="completed"),
    ]


def test_a_call_is_told_in_a_few_lines():
    story = Story()
    told = [line for event in _call() if (line := story.take(event))]
    assert [(line.who, line.text) for line in told] == [
        ("bot", "Good evening."),
        ("caller", "A table for two."),
        ("line", "the caller interrupts: the bot falls silent"),
        ("bot", "I could …"),
        ("line", "the call is over: completed"),
    ]
    assert story.ended


def test_the_story_knows_who_speaks():
    story, spoke = Story(), []
    for event in _call():
        story.take(event)
        spoke.append((story.caller_speaks, story.bot_speaks))
    assert spoke[1:8] == [
        (True, False),
        (True, False),
        (False, False),
        (False, False),
        (False, True),
        (False, False),
        (False, False),
    ]


def test_the_stages_of_a_turn_add_up():
    latency = TurnLatency(
        endpointing=0.2,
        transcription=0.001,
        turn_decision=0.05,
        llm=0.02,
        sentence=0.01,
        synthesis=0.12,
        output=0.0,
    )
    text = "401 ms = silence 200 + turn end 50 + llm 20 + sentence 10 + voice 120"
    assert stages(latency) == text


def _shown(view_of, width: int = 100) -> str:
    console = Console(width=width, height=30, force_terminal=view_of is LiveView, record=True)
    story = Story()
    view = LiveView(console, story, lambda: (-12.0, -96.0)) if view_of is LiveView else None
    with console.capture() as captured, view or PlainView(console) as shown:
        for event in _call():
            if line := story.take(event):
                shown.tell(line)
        if isinstance(shown, LiveView):
            console.print(shown._render())
    return captured.get()


def test_plain_lines_and_the_live_picture_show_the_same_story():
    plain, live = _shown(PlainView), _shown(LiveView)
    for words in ("Good evening.", "A table for two.", "the call is over"):
        assert words in plain and words in live
    assert "█" in live and "█" not in plain


def test_a_call_is_right_only_with_every_phrase_the_outcome_and_one_record():
    good = CallReport("caller", findings=[Finding(1, True, "heard 'blue door'")])
    deaf = CallReport("human", findings=[Finding(1, False, "did not hear 'window' in ''")])
    assert judge([good], [RECORD], "completed").passed
    assert judge([good, good], [RECORD], "completed").passed
    assert not judge([deaf], [RECORD], "completed").passed
    assert judge([good, deaf], [RECORD], "completed").failures == [
        "human: step 1: did not hear 'window' in ''"
    ]
    assert judge([good], [], "completed").failures == ["0 records of the call instead of one"]
    assert not judge([good], [RECORD, RECORD], "completed").passed
    assert not judge([good], [RECORD | {"outcome": "idle"}], "completed").passed
    assert not judge([good], [RECORD | {"recording": None}], "completed").passed
    failed = {"errors": [{"source": "tts", "message": "silent"}]}
    assert judge([good], [RECORD | failed], None).failures == ["error in tts: silent"]


def test_a_transfer_is_told_in_the_story():
    story = Story()
    events = [
        _event(TransferStarted, 1, desk="front_desk", mode="warm"),
        _event(DeskFailed, 2, outcome="no_answer"),
        _event(DeskAnswered, 3),
        _event(CallBridged, 4),
    ]
    told = [(line.who, line.text) for event in events if (line := story.take(event))]
    assert told == [
        ("line", "the bot calls front desk; the caller hears music"),
        ("human", "does not take the call: no answer"),
        ("human", "picks up; the bot tells who calls and why"),
        ("line", "caller and human hear each other"),
    ]


def test_the_demo_books_a_table_and_puts_the_caller_through_to_a_human(tmp_path: Path):
    demo = subprocess.run(
        [sys.executable, "-m", "local.demo"],
        env=dict(os.environ) | {"SWITCHBOARD_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=170,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "the caller heard all" in demo.stdout and "the human all" in demo.stdout
    assert "caller and human hear each other" in demo.stdout
    assert "the caller interrupts: the bot falls silent" in demo.stdout
    assert list((tmp_path / "demo" / "recordings").glob("*.wav"))
    assert (tmp_path / "demo" / "caller.wav").stat().st_size > 100_000
    assert (tmp_path / "demo" / "human-1.wav").stat().st_size > 100_000
    assert not (tmp_path / "demo" / "up.json").exists()
