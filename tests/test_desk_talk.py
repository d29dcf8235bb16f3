"""The talk with a person at a desk: hello, briefing, question, and what counts as an answer."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bots.briefing import Briefing, digit_by_digit, header_text, transcript_lines
from bots.desk_ear import DeskEar
from bots.desk_talk import DeskTalk
from bots.desks import Desk
from bots.phrases import PhraseError
from tests.fakes_room import until
from tests.fakes_session import FakeProviders, FakeSTT, KeptPhrases, tone
from transports.leg import LegResult, OutboundTrunk
from transports.transfer_steps import Asked, Broke, CalledBack, Heard, HumanLeft

MESSAGES: list[Any] = [
    {"role": "system", "content": "You are a receptionist."},
    {"role": "user", "content": "A table for four on Saturday."},
    {"role": "assistant", "tool_calls": [{"function": {"name": "check_availability"}}]},
    {"role": "tool", "content": "full"},
    {"role": "assistant", "content": "We are full."},
    {"role": "user", "content": "Can I talk to a person?"},
    {"role": "assistant", "tool_calls": [{"function": {"name": "transfer_to_human"}}]},
]
DESK = Desk.model_validate({"name": "front", "title": "the desk", "numbers": ["+15550180"]})


class FakeLine:
    """Keeps what is played to the desk; ``spoken`` lets it be over."""

    out_rate_hz = 16000

    def __init__(self):
        self.played: list[bytes] = []
        self.spoken = asyncio.Event()
        self.spoken.set()
        self.on_audio = self.on_key = lambda heard: None
        self.on_left = lambda: None
        self.closed = self.hung_up = False
        self.dialled: list[tuple[str, str, dict[str, Any]]] = []

    async def open(self) -> None:
        pass

    async def dial(self, number: str, trunk_id: str, **options: Any) -> LegResult:
        self.dialled.append((number, trunk_id, options))
        return LegResult("answered", 200)

    async def say(self, pcm: bytes) -> None:
        self.played.append(pcm)
        await self.spoken.wait()

    async def hang_up(self) -> None:
        self.hung_up = True

    async def close(self) -> None:
        self.closed = True


class FakeBriefing:
    """Every text is its own sound."""

    words = SimpleNamespace(question="question", again="again")

    def __init__(self):
        self.fails = False

    async def summary(self, messages: Any, reason: str) -> str:
        return f"summary of {reason}"

    intro = "intro"

    def number(self, caller: str) -> str:
        return caller

    async def sound(self, text: str, rate_hz: int) -> bytes:
        if self.fails:
            raise PhraseError("the TTS is silent")
        return text.encode()


class FakeControl:
    """One trunk."""

    async def find_trunk(self, wanted: str) -> OutboundTrunk:
        return OutboundTrunk("ST_1", "local", "pbx")


class Talk:
    """A desk talk with fakes, and what it tells."""

    def __init__(self):
        self.line, self.briefing, self.events = FakeLine(), FakeBriefing(), list[Any]()
        self.stt = FakeSTT()
        self.ears: list[DeskEar] = []
        self.talk = DeskTalk(
            DESK,
            self.line,  # type: ignore[arg-type]
            self.briefing,  # type: ignore[arg-type]
            FakeControl(),  # type: ignore[arg-type]
            room="room",
            call_id="c1",
            ear=self._ear,
        )
        self.talk.listen(self.events.append)
        self.talk.prepare(MESSAGES, "a person", "+15550123", briefed=True)

    def _ear(self, on_words: Any) -> DeskEar:
        self.ears.append(DeskEar(self.stt, 16000, on_words))
        return self.ears[-1]

    def speaks(self, secs: float = 0.1) -> None:
        self.line.on_audio(tone("word " * int(secs / 0.05), 16000))


@pytest.fixture
async def desk():
    talk = Talk()
    yield talk
    await talk.talk.close()
    assert talk.line.closed


async def test_the_desk_is_dialled_by_its_trunk_with_the_calls_id(desk: Talk):
    assert (await desk.talk.dial("+15550180")).outcome == "answered"
    ((number, trunk_id, options),) = desk.line.dialled
    assert (number, trunk_id, options["ring_secs"]) == ("+15550180", "ST_1", 25.0)
    assert options["headers"] == {"X-Switchboard-Call-Id": "c1"}
    headers = await desk.talk.headers()
    assert headers["X-Switchboard-Summary"] == "summary of a person"


async def test_somebody_silent_is_told_and_asked(desk: Talk):
    began = time.monotonic()
    await desk.talk.brief()
    assert 1.0 < time.monotonic() - began < 4
    assert desk.line.played == [b"intro", b"+15550123", b"summary of a person", b"question"]
    assert desk.events == [Asked()]
    await desk.talk.ask_again()
    assert desk.line.played[-1] == b"again" and desk.events[-1] == Asked()


async def test_a_hello_is_waited_for_and_is_no_answer(desk: Talk):
    desk.line.spoken.clear()
    briefing = asyncio.create_task(desk.talk.brief())
    await until(lambda: desk.ears and desk.ears[0]._tasks)
    desk.speaks()
    desk.ears[0].on_words("Yes, hello?", time.monotonic())
    await until(lambda: desk.line.played, 4)
    assert not desk.events
    desk.ears[0].on_words("Yes, please.", time.monotonic() + 1)
    assert desk.events == [Heard("accept")]
    briefing.cancel()


async def test_words_come_by_the_stt_with_the_time_they_began(desk: Talk):
    desk.line.spoken.clear()
    briefing = asyncio.create_task(desk.talk.brief())
    await until(lambda: desk.line.played, 4)
    await asyncio.sleep(0.6)
    desk.speaks()
    await desk.stt.hear("No, sorry.")
    await until(lambda: desk.events)
    assert desk.events == [Heard("decline")]
    briefing.cancel()


async def test_a_voicemail_is_known_by_its_words_at_once(desk: Talk):
    briefing = asyncio.create_task(desk.talk.brief())
    await until(lambda: desk.ears)
    desk.ears[0].on_words("Please leave a message after the tone.", time.monotonic())
    assert desk.events == [Heard("machine")]
    briefing.cancel()


async def test_who_talks_on_and_on_is_a_machine(desk: Talk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bots.desk_talk.GREETING_SECS", 0.5)
    briefing = asyncio.create_task(desk.talk.brief())
    while not briefing.done():
        desk.speaks(0.05)
        await asyncio.sleep(0.02)
    assert desk.events == [Heard("machine")] and not desk.line.played


async def test_keys_answer_too_and_a_star_wants_the_bot_back(desk: Talk):
    for key in "1270*":
        desk.line.on_key(key)
    desk.line.on_left()
    accepted, declined = Heard("accept"), Heard("decline")
    assert desk.events == [accepted, declined, CalledBack(), HumanLeft()]


async def test_a_voice_that_fails_breaks_the_transfer_instead_of_keeping_silent():
    desk = Talk()
    desk.briefing.fails = True
    await desk.talk.brief()
    assert desk.events == [Broke("the briefing cannot be spoken")]
    await desk.talk.close()


async def test_who_talks_to_the_caller_is_neither_heard_nor_spoken_to_any_more():
    desk = Talk()
    await desk.talk.brief()
    assert desk.ears[0]._tasks
    desk.talk.rest()
    desk.talk.rest()
    await until(lambda: not desk.ears[0]._tasks, 4)
    await desk.talk.close()


def real_briefing(*replies: Any, from_browser: bool = False) -> Briefing:
    config = SimpleNamespace(
        language="en-US", llm="openai/x", tts=SimpleNamespace(use="x/y", voice=None)
    )
    bot = SimpleNamespace(name="front_bot", config=config)
    llm = FakeProviders().llm("x") if replies else None

    async def answer(*_: Any, **__: Any) -> str:
        if isinstance(replies[0], Exception):
            raise replies[0]
        return replies[0]

    if llm:
        llm.run_inference = answer  # type: ignore[method-assign]
    return Briefing(
        bot,  # type: ignore[arg-type]
        DESK,
        FakeProviders(),
        KeptPhrases("unused"),
        llm,
        from_browser=from_browser,
    )


async def test_the_model_sums_up_and_is_not_waited_for_when_it_fails():
    assert await real_briefing(" Wants\na table. ").summary(MESSAGES, "") == "Wants a table."
    plain = await real_briefing(RuntimeError("no key")).summary(MESSAGES, "a person")
    assert "A table for four on Saturday. Can I talk to a person?" in plain
    assert "check availability" in plain and "transfer" not in plain
    assert await real_briefing().summary([], "") == ""


async def test_what_is_told_begins_with_who_speaks_and_who_calls():
    briefing = real_briefing()
    assert briefing.intro == "Hello, this is the automated front bot with a caller for the desk."
    assert briefing.number("+15550123") == "They call from 1, 5 5 5, 0 1 2 3."
    assert "hidden" in briefing.number("")
    assert real_briefing(from_browser=True).number("") == "They call from the web page."


async def test_what_is_kept_needs_no_voice():
    briefing = real_briefing()
    kept = await briefing.sound("Hello.", 16000)
    assert len(kept) == (0.05 + 0.25) * 16000 * 2


def test_numbers_are_read_in_groups_and_headers_stay_on_one_line():
    assert digit_by_digit("+15550100180") == "1, 5 5 5, 0 1 0, 0 1 8 0"
    assert digit_by_digit("110") == "1 1 0"
    assert header_text("Größe\r\nX-Evil: 1 " + "a" * 300).startswith("Gre X-Evil: 1 aaa")
    assert len(header_text("a" * 300)) == 180
    assert not [*transcript_lines(MESSAGES[:1])]
