"""What a bot with words says on a call, with a scripted model on a fake room."""

import asyncio
import dataclasses
from datetime import date, timedelta
from pathlib import Path

import pytest
from livekit import rtc
from loguru import logger

from bots.bot import Bot
from bots.loading import load_bots
from bots.sentences import ENGLISH
from tests import fakes_session
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import FakeProviders, a_call

logger.remove()

ROOT = Path(__file__).parent.parent
GREETING = "Blue Door, good evening. How can I help?"


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


@pytest.fixture(scope="module")
def receptionist() -> Bot:
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    return bot


async def test_the_greeting_is_said_at_once_and_remembered(receptionist, tmp_path):
    providers = FakeProviders("We are open until ten.")
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        spoke = await phone.happened("bot_spoke")
        assert (spoke.turn, spoke.text, spoke.interrupted) == (0, GREETING, False)
        assert phone.of("bot_started_speaking")[0].t - phone.of("answered")[0].t < 0.2
        await providers.the_stt.hear("Until when are you open?")
        await until(lambda: len(phone.of("bot_spoke")) == 2, 5)
        phone.hang_up()
        await phone.over()
    assert providers.the_tts.said == ["We are open until ten."]
    assert "Blue Door" in providers.the_llm.system
    assert "Today is 20" in providers.the_llm.system
    assert providers.the_llm.tools == [
        "check_availability",
        "book_table",
        "cancel_table",
        "opening_hours",
        "transfer_to_human",
        "take_message",
        "schedule_callback",
        "end_call",
    ]
    said = [m.get("content") for m in providers.the_llm.requests[0]]
    assert said[-2:] == [GREETING, "Until when are you open?"]
    assert phone.of("turn_ended")[0].text == "Until when are you open?"
    assert phone.ending[0] == "caller_hung_up"


async def talked(phone, providers, words: str, answers: int) -> None:
    """The caller says something, and the bot has spoken ``answers`` times by the end of it."""
    await providers.the_stt.hear(words)
    await until(lambda: len(phone.of("bot_spoke")) == answers, 5)


async def test_a_table_is_booked_and_the_goodbye_is_heard_before_the_line_ends(
    receptionist, tmp_path
):
    day = date.today() + timedelta(days=7)
    day += timedelta(days=(1 - day.weekday()) % 7)  # a Tuesday
    table = {"date": day.isoformat(), "time": "19:00", "party_size": 4}
    providers = FakeProviders(
        [("check_availability", table)],
        "Seven is free. What name?",
        [("book_table", table | {"name": "Ada"})],
        "It is booked.",
        ["Thank you, goodbye.", ("end_call", {})],
    )
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_spoke")
        await talked(phone, providers, "A table for four next Tuesday at seven", 2)
        await talked(phone, providers, "Ada", 3)
        await providers.the_stt.hear("Bye")
        await phone.over()
    assert phone.ending == ("completed", "bot")
    assert [e.name for e in phone.of("tool_called")] == [
        "check_availability",
        "book_table",
        "end_call",
    ]
    assert not [e.error for e in phone.of("tool_returned") if e.error]
    result = str(providers.the_llm.requests[3])
    assert "booked" in result and "B-10" in result
    assert phone.of("bot_spoke")[-1].text == "Thank you, goodbye."
    assert not phone.of("bot_spoke")[-1].interrupted
    assert len(phone.of("bot_stopped_speaking")) == 4
    assert len(providers.the_llm.requests) == 5


async def test_a_bot_that_ends_without_a_goodbye_is_asked_for_one(receptionist, tmp_path):
    providers = FakeProviders([("end_call", {})], "Goodbye then.")
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_started_speaking")
        await providers.the_stt.hear("That was all")
        await phone.over()
    assert phone.ending == ("completed", "bot")
    assert providers.the_tts.said == ["Goodbye then."]
    assert phone.of("bot_spoke")[-1].text == "Goodbye then."


async def test_what_is_cut_off_by_the_caller_is_not_in_the_transcript(
    receptionist, tmp_path, monkeypatch
):
    monkeypatch.setattr(fakes_session, "WORD_SECS", 0.3)  # time to interrupt it, on any machine
    providers = FakeProviders("Yes.")
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_started_speaking")
        await talked(phone, providers, "Stop, are you open?", 2)
        phone.hang_up()
        await phone.over()
    cut = phone.of("bot_spoke")[0]
    assert cut.interrupted and GREETING.startswith(cut.text) and cut.text != GREETING
    assert "bot_interrupted" in phone.kinds


async def test_a_caller_who_hangs_up_mid_word_ends_the_call_at_once(
    receptionist, tmp_path, monkeypatch
):
    monkeypatch.setattr(fakes_session, "WORD_SECS", 0.3)
    providers = FakeProviders("word " * 200)
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_started_speaking")
        await providers.the_stt.hear("Tell me everything")
        await until(lambda: len(phone.of("bot_started_speaking")) == 2, 5)
        phone.hang_up()
        await phone.over(2)
    assert phone.ending[0] == "caller_hung_up"
    assert phone.of("bot_spoke")[-1].interrupted


async def test_a_caller_who_hangs_up_during_the_goodbye_ends_the_call_at_once(
    receptionist, tmp_path, monkeypatch
):
    async with a_call(receptionist, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await until(lambda: phone.of("bot_spoke"), 5)
        monkeypatch.setattr(fakes_session, "WORD_SECS", 2.0)
        said: list[str] = []
        sink = logger.add(said.append)
        phone.commands.put_nowait({"do": "hang_up"})
        await until(lambda: len(phone.of("bot_started_speaking")) == 2, 5)
        await until(lambda: "LiveKitInputTransport stopped" in "".join(said), 5)
        phone.hang_up()
        await phone.over(2)
    logger.remove(sink)
    assert "did not stop" not in "".join(said)


async def test_a_caller_who_hangs_up_mid_tool_ends_the_call_at_once(receptionist, tmp_path):
    providers = FakeProviders([("check_availability", {})])
    waiting = asyncio.Event()

    async def slow(params):
        await waiting.wait()

    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        providers.the_llm.register_function("check_availability", slow)
        await providers.the_stt.hear("Is seven free?")
        await phone.happened("tool_called")
        phone.hang_up()
        await phone.over(2)
    assert phone.ending[0] == "caller_hung_up"


async def test_a_provider_that_refuses_at_the_start_is_never_answered(receptionist, tmp_path):
    providers = FakeProviders()
    providers.the_stt.setup_fails = True
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.over()
    outcome, reason = phone.ending
    assert outcome == "provider_failure" and "401" in reason
    assert not phone.room.local_participant.tracks and "bot_ready" not in phone.kinds


async def test_a_provider_that_is_silent_at_the_start_is_never_answered(
    receptionist, tmp_path, monkeypatch
):
    monkeypatch.setattr("bots.session.READY_SECS", 0.1)
    providers = FakeProviders()
    providers.the_stt.setup_waits = asyncio.Event()
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.over()
    assert phone.ending[0] == "provider_failure"
    assert not phone.room.local_participant.tracks and phone.room.disconnects == 1


async def test_a_provider_that_refuses_mid_call_is_apologised_for(receptionist, tmp_path):
    providers = FakeProviders()
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.refuse()
        await phone.over()
    assert phone.ending[0] == "provider_failure"
    assert phone.of("bot_spoke")[-1].text == ENGLISH.apology


async def test_a_lost_answer_is_asked_for_again_and_the_third_ends_the_call(receptionist, tmp_path):
    providers = FakeProviders(*[RuntimeError("500")] * 3)
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_spoke")
        await talked(phone, providers, "Hello?", 2)
        await talked(phone, providers, "Hello again?", 3)
        await providers.the_stt.hear("Nobody there?")
        await phone.over()
    said = [event.text for event in phone.of("bot_spoke")][1:]
    assert said == [ENGLISH.say_again, ENGLISH.say_again, ENGLISH.apology]
    assert phone.ending[0] == "provider_failure"
    assert len(phone.of("error_raised")) == 3


async def test_a_model_that_never_answers_is_given_up(receptionist, tmp_path, monkeypatch):
    monkeypatch.setattr("bots.first_token_watch.FIRST_TOKEN_SECS", 0.2)
    providers = FakeProviders(*[asyncio.Event() for _ in range(3)])
    async with a_call(receptionist, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_spoke")
        await talked(phone, providers, "Hello?", 2)
        await talked(phone, providers, "Hello again?", 3)
        await providers.the_stt.hear("Nobody there?")
        await phone.over()
    said = [event.text for event in phone.of("bot_spoke")][1:]
    assert said == [ENGLISH.say_again, ENGLISH.say_again, ENGLISH.apology]
    assert phone.ending[0] == "provider_failure" and "no answer" in phone.ending[1]


async def test_the_server_may_speak_through_the_bot(receptionist, tmp_path):
    async with a_call(receptionist, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        phone.commands.put_nowait({"do": "say", "text": "We close in five minutes."})
        await until(lambda: len(phone.of("bot_spoke")) == 2, 5)
        phone.commands.put_nowait({"do": "hang_up", "politely": False})
        await phone.over()
    assert phone.of("bot_spoke")[1].text == "We close in five minutes."
    assert phone.ending == ("cancelled", "command:hang_up")


async def test_the_server_hangs_up_politely_with_a_sentence_after_the_bots_own(
    receptionist, tmp_path
):
    async with a_call(receptionist, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.happened("bot_started_speaking")
        phone.commands.put_nowait({"do": "hang_up"})
        await phone.over()
    assert [e.text for e in phone.of("bot_spoke")] == [GREETING, ENGLISH.farewell]
    assert phone.ending == ("cancelled", "command:hang_up")


def _limited(bot: Bot, **limits: float) -> Bot:
    config = bot.config.model_copy(update={"limits": bot.config.limits.model_construct(**limits)})
    return dataclasses.replace(bot, config=config)


async def test_the_longest_call_is_warned_of_its_end(receptionist, tmp_path):
    bot = _limited(receptionist, max_call_secs=2.0, warn_secs=1.0)
    async with a_call(bot, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.over()
    said = [event.text for event in phone.of("bot_spoke")]
    assert said == [GREETING, ENGLISH.warning, ENGLISH.farewell]
    assert phone.ending[0] == "max_duration"
    assert not phone.of("bot_spoke")[-1].interrupted


async def test_the_longest_call_ends_with_a_sentence(receptionist, tmp_path):
    bot = _limited(receptionist, max_call_secs=0.3)
    async with a_call(bot, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.over()
    assert phone.ending[0] == "max_duration"
    assert phone.of("bot_spoke")[-1].text.endswith("Goodbye.")
