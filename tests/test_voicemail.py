"""Who answered the bot's call, a person or a machine, and what the bot does about it."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext

from bots.answering_machine import AnsweringMachine
from bots.bot import Bot
from bots.config import Voicemail
from bots.loading import load_bots
from local.providers.classifying import classified
from processors import voicemail
from records.call_record import CallRecord
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import FakePhone, FakeProviders, ScriptedLLM, a_call

logger.remove()

ROOT = Path(__file__).parent.parent
GREETING = "Blue Door, good evening. How can I help?"
MESSAGE = "This is Blue Door. Please call us back."
MACHINE = "You've reached Ada. Please leave a message after the tone."


@pytest.fixture(autouse=True)
def quick_judge_in_a_fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None
    monkeypatch.setattr(voicemail, "PAUSE_SECS", 0.3)
    monkeypatch.setattr(voicemail, "NO_BEEP_SECS", 1.0)
    monkeypatch.setattr(voicemail, "AFTER_BEEP_SECS", 0.3)
    monkeypatch.setattr(voicemail, "SILENT_SECS", 30.0)
    expected = AnsweringMachine.expected.__func__  # pyright: ignore[reportFunctionMemberAccess]

    def placed(cls, bot, call, gate, log):
        return expected(cls, bot, dataclasses.replace(call, attempt=1), gate, log)

    monkeypatch.setattr(AnsweringMachine, "expected", classmethod(placed))


@pytest.fixture(scope="module")
def caller() -> Bot:
    """The receptionist, as if it called somebody."""
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    return _with(bot, policy="leave_message", message=MESSAGE)


def _with(bot: Bot, **keys) -> Bot:
    config = bot.config.model_copy(update={"voicemail": Voicemail(**keys)})
    return dataclasses.replace(bot, config=config)


class _JudgingLLM(ScriptedLLM):
    """Classifies as the local stand-in does."""

    async def run_inference(self, context: LLMContext, *_, **__) -> str | None:
        return classified([*context.get_messages()])  # pyright: ignore[reportArgumentType]


class _Providers(FakeProviders):
    def llm(self, spec: str, system_instruction: str | None = None):
        self.the_llm = _JudgingLLM(self.replies, system_instruction)
        return self.the_llm


class _FarEnd:
    """What comes out of the phone that was called: noise, and a beep when told."""

    def __init__(self, phone: FakePhone):
        self._source = rtc.AudioSource(8000, 1, queue_size_ms=100)
        phone.room.publish(phone.caller, self._source)  # pyright: ignore[reportArgumentType]
        self._noise = np.random.default_rng(7).normal(0, 11, 160)
        self._beep: list[np.ndarray] = []
        self._sending = asyncio.create_task(self._send())

    def beep(self, secs: float = 0.5) -> None:
        at = np.arange(int(secs * 8000)) / 8000
        self._beep = list((4000 * np.sin(2 * np.pi * 1000 * at)).reshape(-1, 160))

    async def _send(self) -> None:
        while True:
            pcm = self._noise + (self._beep.pop(0) if self._beep else 0)
            frame = rtc.AudioFrame(pcm.astype(np.int16).tobytes(), 8000, 1, 160)
            await self._source.capture_frame(frame)

    async def close(self) -> None:
        self._sending.cancel()
        await asyncio.wait({self._sending})
        await self._source.aclose()


def _said(phone: FakePhone) -> list[str]:
    return [event.text for event in phone.of("bot_spoke")]


async def test_message_is_left_after_the_beep_and_whole(caller, tmp_path):
    providers = _Providers()
    async with a_call(caller, tmp_path, providers=providers) as phone:
        await phone.answered()
        far_end = _FarEnd(phone)
        await providers.the_stt.hear(MACHINE)
        await asyncio.sleep(0.6)
        far_end.beep()
        await phone.over(15)
        await far_end.close()
    assert _said(phone) == [MESSAGE] and not phone.of("bot_spoke")[0].interrupted
    assert phone.ending == ("voicemail", "machine:message_left")
    beep = phone.of("beep_heard")[0]
    assert abs(beep.hz - 1000) < 10 and beep.t < phone.of("bot_started_speaking")[0].t
    far = CallRecord.fold(phone.events).far_end
    assert far and (far.verdict, far.by, far.message_left) == ("machine", "beep", True)
    assert far.beep_at_secs == beep.t and not providers.the_llm.requests


async def test_machine_that_does_not_beep_gets_its_message_once_it_is_silent(caller, tmp_path):
    providers = _Providers()
    async with a_call(caller, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear(MACHINE)
        await phone.over(15)
    assert _said(phone) == [MESSAGE]
    far = CallRecord.fold(phone.events).far_end
    assert far and (far.verdict, far.by, far.beep_at_secs) == ("machine", "words", None)


async def test_greeting_like_a_persons_is_a_machines_when_it_beeps(caller, tmp_path):
    providers = _Providers()
    async with a_call(caller, tmp_path, providers=providers) as phone:
        await phone.answered()
        far_end = _FarEnd(phone)
        far_end.beep(0.3)
        await providers.the_stt.hear("Hi, it's Ada.")
        await phone.over(15)
        await far_end.close()
    assert _said(phone) == [MESSAGE] and phone.ending[0] == "voicemail"


async def test_person_who_says_hello_is_greeted_once_and_talked_to(caller, tmp_path):
    providers = _Providers("We are open until ten.")
    async with a_call(caller, tmp_path, providers=providers) as phone:
        await phone.answered()
        await asyncio.sleep(0.3)
        assert not phone.of("bot_started_speaking")
        await providers.the_stt.hear("Hello?")
        await until(lambda: _said(phone) == [GREETING], 5)
        await providers.the_stt.hear("Until when are you open?")
        await until(lambda: len(_said(phone)) == 2, 5)
        phone.hang_up()
        await phone.over()
    assert _said(phone)[1] == "We are open until ten." and len(providers.the_llm.requests) == 1
    far = CallRecord.fold(phone.events).far_end
    assert far and (far.verdict, far.by) == ("person", "words")
    assert phone.ending[0] == "caller_hung_up"


async def test_person_who_says_nothing_is_greeted_after_a_while(caller, tmp_path, monkeypatch):
    monkeypatch.setattr(voicemail, "SILENT_SECS", 0.5)
    async with a_call(caller, tmp_path, providers=_Providers()) as phone:
        await phone.answered()
        await until(lambda: _said(phone) == [GREETING], 5)
    assert phone.of("far_end_judged")[0].by == "silence"


@pytest.mark.parametrize("policy, retry_after_secs", [("hang_up", None), ("retry", 3600)])
async def test_machine_gets_no_word_where_none_is_to_be_left(
    caller, tmp_path, policy, retry_after_secs
):
    providers = _Providers()
    async with a_call(_with(caller, policy=policy), tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear(MACHINE)
        await phone.over(15)
    assert _said(phone) == [] and phone.ending == ("voicemail", f"machine:{policy}")
    far = CallRecord.fold(phone.events).far_end
    assert far and far.retry_after_secs == retry_after_secs and not far.message_left


async def test_machine_that_hangs_up_first_was_a_machine(caller, tmp_path):
    long = _with(caller, policy="leave_message", message="word " * 100)
    providers = _Providers()
    async with a_call(long, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear(MACHINE)
        await phone.happened("bot_started_speaking")
        phone.hang_up()
        await phone.over()
    assert phone.ending[0] == "voicemail"
    assert not phone.of("message_left")


async def test_call_that_came_in_is_never_taken_for_a_machine(caller, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    async with a_call(caller, tmp_path, providers=_Providers()) as phone:
        await phone.answered()
        await until(lambda: _said(phone) == [GREETING], 5)
    assert not phone.of("far_end_judged")
