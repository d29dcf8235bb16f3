"""What a bot was cut off from saying is not heard later."""

from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    LLMTextFrame,
    TTSStartedFrame,
    TTSTextFrame,
)
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.utils.text.base_text_aggregator import TextType

from processors.stale_words import StaleWordsFilter


def word(text: str, utterance: str | None, *, to_the_end: bool = False) -> Frame:
    frame = TTSTextFrame(text, text_type=TextType.WORD, context_id=utterance)
    frame.interruptible = not to_the_end
    return frame


async def what_is_left_of(*frames: Frame) -> list[str]:
    paced = [step for frame in frames for step in (frame, SleepFrame(0.005))]
    down, _ = await run_test(StaleWordsFilter(), frames_to_send=paced)
    return [frame.text for frame in down if isinstance(frame, TTSTextFrame | LLMTextFrame)]


async def test_a_word_that_an_interruption_overtook_is_dropped():
    words = await what_is_left_of(
        TTSStartedFrame(context_id="greeting"),
        word("Blue", "greeting"),
        InterruptionFrame(),
        word("Door,", "greeting"),
        TTSStartedFrame(context_id="apology"),
        word("Sorry.", "apology"),
    )
    assert words == ["Blue", "Sorry."]


async def test_an_utterance_cut_before_its_first_word_leaves_none():
    words = await what_is_left_of(
        TTSStartedFrame(context_id="greeting"), InterruptionFrame(), word("Blue", "greeting")
    )
    assert words == []


async def test_what_nobody_may_interrupt_goes_on():
    words = await what_is_left_of(
        word("Good", "goodbye", to_the_end=True),
        InterruptionFrame(),
        word("bye.", "goodbye", to_the_end=True),
    )
    assert words == ["Good", "bye."]


async def test_words_of_no_utterance_pass():
    words = await what_is_left_of(
        word("one", None), InterruptionFrame(), word("two", None), LLMTextFrame("three")
    )
    assert words == ["one", "two", "three"]
