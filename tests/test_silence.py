"""What the bot does about silence: speak to it, wait out a hold, own up to not hearing."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from loguru import logger
from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame

from bots.bot import Bot
from bots.config import BotConfig, Idle
from bots.loading import load_bots
from bots.phrases import phrases_of
from bots.sentences import ENGLISH
from processors import deaf_watch
from records.call_record import CallRecord
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import FakePhone, FakeProviders, a_call

logger.remove()

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


@pytest.fixture(scope="module")
def receptionist() -> Bot:
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    return bot


def _idle(bot: Bot, after_secs: float, **keys) -> Bot:
    config = bot.config.model_copy(update={"idle": Idle(after_secs=after_secs, **keys)})
    return dataclasses.replace(bot, config=config)


def _said(phone: FakePhone) -> list[str]:
    return [event.text for event in phone.of("bot_spoke")][1:]


async def test_silent_caller_is_spoken_to_twice_and_then_let_go(receptionist, tmp_path):
    bot = _idle(receptionist, 0.3)
    async with a_call(bot, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.over(20)
    assert _said(phone) == [*ENGLISH.still_there, ENGLISH.nobody_there]
    assert phone.ending == ("idle", "caller:silent")
    assert not phone.of("bot_spoke")[-1].interrupted
    record = CallRecord.fold(phone.events)
    assert record.reminders == 2 and record.outcome == "idle"
    assert all(event.silent_secs >= 0.3 for event in phone.of("caller_reminded"))


async def test_caller_who_answers_is_not_let_go(receptionist, tmp_path):
    bot = _idle(receptionist, 0.6, reprompts=("Hello?",))
    providers = FakeProviders("We close at ten.")
    async with a_call(bot, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("caller_reminded")
        await until(lambda: _said(phone) == ["Hello?"], 5)
        await providers.the_stt.hear("Sorry, when do you close?")
        await until(lambda: len(phone.of("caller_reminded")) == 2, 5)
        assert [event.number for event in phone.of("caller_reminded")] == [1, 1]
        assert _said(phone)[:2] == ["Hello?", "We close at ten."]


async def test_bot_without_idle_waits_for_ever(receptionist, tmp_path):
    async with a_call(_idle(receptionist, 0), tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.happened("bot_stopped_speaking")
        await asyncio.sleep(1.5)
        assert "caller_reminded" not in phone.kinds


class _Microphone:
    """The caller's track: noise, or what a held line sends."""

    def __init__(self, phone: FakePhone):
        self._source = rtc.AudioSource(8000, 1, queue_size_ms=100)
        self._noise = np.random.default_rng(7).normal(0, 11, 160).astype(np.int16)
        self._dead = np.zeros(160, np.int16)
        self.held = False
        phone.room.publish(phone.caller, self._source)  # pyright: ignore[reportArgumentType]
        self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while True:
            pcm = self._dead if self.held else self._noise
            await self._source.capture_frame(rtc.AudioFrame(pcm.tobytes(), 8000, 1, 160))

    async def close(self) -> None:
        self._sending.cancel()
        await asyncio.wait({self._sending})
        await self._source.aclose()


async def test_caller_who_holds_the_line_is_waited_for(receptionist, tmp_path):
    bot = _idle(receptionist, 2.5)
    async with a_call(bot, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        microphone = _Microphone(phone)
        try:
            await asyncio.sleep(0.5)
            microphone.held = True
            await phone.happened("hold_began")
            await asyncio.sleep(3)
            assert "caller_reminded" not in phone.kinds
            microphone.held = False
            await phone.happened("hold_ended")
            await phone.happened("caller_reminded")
        finally:
            await microphone.close()
        phone.hang_up()
        await phone.over()
    (hold,) = CallRecord.fold(phone.events).holds
    assert hold.secs == phone.of("hold_ended")[0].secs > 4.5
    assert phone.of("caller_reminded")[0].t - phone.of("hold_ended")[0].t >= 2.4


async def test_caller_of_whom_no_word_is_heard_is_asked_again_and_then_apologised_to(
    receptionist, tmp_path, monkeypatch
):
    monkeypatch.setattr(deaf_watch, "VOICED_SECS", -1.0)
    monkeypatch.setattr(deaf_watch, "WORDS_SECS", 0.05)
    providers = FakeProviders()
    async with a_call(_idle(receptionist, 0), tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_stopped_speaking")
        for asked in (0, 0, 1, 2):
            await until(lambda n=asked: len(_said(phone)) == n, 5)
            await asyncio.sleep(0.3)  # the bot has stopped for the observer too
            await providers.the_stt.push_frame(VADUserStartedSpeakingFrame())
            await providers.the_stt.push_frame(VADUserStoppedSpeakingFrame(stop_secs=0.0))
            await asyncio.sleep(0.2)
        await phone.over()
    assert _said(phone) == [ENGLISH.say_again, ENGLISH.say_again, ENGLISH.apology]
    assert phone.ending == ("provider_failure", "stt: no word of 4 turns")
    assert [event.turns for event in phone.of("caller_unheard")] == [2, 3]


def test_reprompts_are_kept_as_audio():
    bot = Bot(BotConfig(name="desk", language="de-DE", idle=Idle(reprompts=("Hallo?",))))
    assert "Hallo?" in phrases_of(bot) and "Sind Sie noch da?" in phrases_of(bot)
