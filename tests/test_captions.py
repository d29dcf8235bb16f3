"""The lines of the captions, frame by frame."""

from types import SimpleNamespace

from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextUserTurnFrame,
    TranscriptionFrame,
    TTSTextFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.utils.text.base_text_aggregator import TextType

from processors.captions import Caption, CaptionObserver
from tests.fakes_session import FakeSTT

WHEN = "2026-11-21T18:00:00Z"
STT, OUTPUT = FakeSTT.__new__(FakeSTT), BaseOutputTransport.__new__(BaseOutputTransport)
OTHER = SimpleNamespace(name="other")


class Screen:
    """What a reader sees."""

    def __init__(self):
        self.changes: list[Caption] = []
        self.observer = CaptionObserver(self.changes.append)

    async def push(self, frame: Frame, *sources, direction=FrameDirection.DOWNSTREAM) -> None:
        for source in sources or (OTHER,):
            await self.observer.on_push_frame(
                FramePushed(source, OTHER, frame, direction, timestamp=0)  # pyright: ignore
            )

    async def word(self, text: str, context_id: str = "1") -> None:
        # From the TTS first, which is ahead of what is played.
        frame = TTSTextFrame(text, text_type=TextType.WORD, context_id=context_id)
        await self.push(frame, OTHER, OUTPUT)

    @property
    def lines(self) -> list[tuple[str, str, bool]]:
        last = {c.segment: (c.speaker, c.text, c.final) for c in self.changes}
        return [last[segment] for segment in sorted(last)]


def interim(text: str) -> Frame:
    return InterimTranscriptionFrame(text, "caller", WHEN)


def final(text: str) -> Frame:
    return TranscriptionFrame(text, "caller", WHEN)


async def test_the_bots_words_come_as_they_are_played():
    screen = Screen()
    for word in ("Good", "evening."):
        await screen.word(word)
    assert [c.text for c in screen.changes] == ["Good", "Good evening."]
    await screen.push(BotStoppedSpeakingFrame())
    assert screen.lines == [("bot", "Good evening.", True)]


async def test_a_bot_that_is_cut_off_ends_where_it_was_heard_last():
    screen = Screen()
    await screen.word("A")
    await screen.word("table")
    await screen.push(InterruptionFrame())
    await screen.word("Yes?", "2")
    assert screen.lines == [("bot", "A table —", True), ("bot", "Yes?", False)]


async def test_two_sentences_whose_words_come_mixed_are_two_lines():
    screen = Screen()
    for word, sentence in [
        ("One", "1"),
        ("moment.", "1"),
        ("I", "2"),
        ("Please.", "1"),
        ("am", "2"),
    ]:
        await screen.word(word, sentence)
    await screen.push(BotStoppedSpeakingFrame())
    assert screen.lines == [("bot", "One moment. Please.", True), ("bot", "I am", True)]
    await screen.word("here.", "2")
    assert screen.lines[1] == ("bot", "I am here.", False)  # the pause was the other's end


async def test_a_voice_without_contexts_begins_a_line_when_it_begins_to_speak():
    screen = Screen()
    for _ in range(2):
        await screen.push(TTSTextFrame("Yes.", text_type=TextType.WORD), OUTPUT)
        await screen.push(BotStoppedSpeakingFrame())
    assert screen.lines == [("bot", "Yes.", True), ("bot", "Yes.", True)]


async def test_the_callers_words_grow_and_settle_with_the_turn():
    screen = Screen()
    await screen.push(interim("a ta"), STT, OTHER)
    await screen.push(final("A table"), STT, OTHER)
    await screen.push(interim("for tw"), STT, OTHER)
    await screen.push(final("for two."), STT, OTHER)
    assert screen.lines == [("caller", "A table for two.", False)]
    turn = LLMContextUserTurnFrame(text="A table for two.", timestamp=WHEN)
    await screen.push(turn, OTHER, STT, OUTPUT)
    await screen.push(turn, direction=FrameDirection.UPSTREAM)
    assert screen.lines == [("caller", "A table for two.", True)]


async def test_a_mhm_that_is_no_turn_stays_as_it_was_heard():
    screen = Screen()
    await screen.push(final("Mhm."), STT)
    await screen.word("Saturday")
    assert screen.lines == [("caller", "Mhm.", True), ("bot", "Saturday", False)]


async def test_silence_shows_nothing():
    screen = Screen()
    await screen.push(final("  "), STT)
    await screen.push(BotStoppedSpeakingFrame())
    await screen.push(InterruptionFrame())
    assert screen.lines == []
