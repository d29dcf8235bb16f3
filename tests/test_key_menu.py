"""A bot's keys: what they do on a call, and what is wrong with them in a file."""

from pathlib import Path

import pytest
from livekit import rtc
from loguru import logger

from bots.bot import Bot
from bots.desk_words import caller_words
from bots.loading import load_bots
from bots.phrases import phrases_of
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import FakePhone, FakeProviders, a_call

logger.remove()

BOT = """
name: menu
numbers: ["+15550100"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: cartesia/sonic-3
greeting: "Welcome to a very long greeting that nobody wants to hear to its end."
prompt: menu.md
keys:
  1: {say: "We are at the harbour."}
  "2": {ask: "Until when are you open?"}
  "9": {transfer: front_desk}
"""
DESKS = 'desks:\n  - {name: front_desk, title: our front desk, numbers: ["+15550180"]}\n'


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


def load(folder: Path, bot: str = BOT, desks: str = DESKS):
    (folder / "bots").mkdir()
    (folder / "flows").mkdir()
    for name, text in {"menu.yaml": bot, "menu.md": "You sell fish.", "desks.yaml": desks}.items():
        (folder / "bots" / name).write_text(text)
    return load_bots(folder / "bots", folder / "flows")


@pytest.fixture
def menu(tmp_path: Path) -> Bot:
    bots = load(tmp_path)
    assert not bots.problems
    return bots.by_name["menu"]


def press(phone: FakePhone, key: str) -> None:
    code = "0123456789*#".index(key)
    phone.room.emit("sip_dtmf_received", rtc.SipDTMF(code, key, phone.caller))  # pyright: ignore


async def said(phone: FakePhone, words: str) -> None:
    await until(lambda: any(words in e.text for e in phone.of("bot_spoke")), 8)


async def test_a_key_over_the_greeting_is_answered_at_once(menu, tmp_path):
    assert "We are at the harbour." in phrases_of(menu)
    async with a_call(menu, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        await phone.happened("bot_started_speaking")
        press(phone, "1")
        await said(phone, "We are at the harbour.")
        phone.hang_up()
        await phone.over()
    assert phone.of("bot_interrupted")
    assert [e.keys for e in phone.of("keys_entered")] == ["1"]


async def test_a_key_asks_in_place_of_the_caller(menu, tmp_path):
    providers = FakeProviders("Until ten.")
    async with a_call(menu, tmp_path, providers=providers) as phone:
        await phone.answered()
        press(phone, "2")
        await said(phone, "Until ten.")
        phone.hang_up()
        await phone.over()
    last = providers.the_llm.requests[-1][-1]
    assert last == {"role": "user", "content": "Until when are you open?"}


async def test_a_key_whose_desk_cannot_be_reached_is_answered_honestly(menu, tmp_path):
    async with a_call(menu, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        press(phone, "9")
        await said(phone, caller_words("en").excuses["failed"][:20])
        phone.hang_up()
        await phone.over()


@pytest.mark.parametrize(
    "was, becomes, key, message",
    [
        ('"9"', '"A"', "keys.A.[key]", "'A' is not one of '0', '1'"),
        ("{transfer: front_desk}", "{transfer: kitchen}", "keys.9.transfer", "is not one of front"),
        ("{transfer: front_desk}", "{}", "keys.9", "one of say, ask and transfer"),
        ("{transfer: front_desk}", "{say: Hello, ask: Why}", "keys.9", "one of say, ask and"),
        ("{transfer: front_desk}", "{sing: Hello}", "keys.9.sing", "'sing' is not one of ask, say"),
        (
            "keys:\n",
            'escalation: {to: front_desk}\nkeys:\n  0: {say: "Zero."}\n',
            "keys.0",
            "is the key of escalation already",
        ),
    ],
)
def test_what_is_wrong_with_a_key_is_told(tmp_path, was, becomes, key, message):
    problems = [p for p in load(tmp_path, BOT.replace(was, becomes)).problems if "keys" in p.key]
    assert [p.key for p in problems] == [key], problems
    assert message in problems[0].message


def test_a_bot_without_words_has_no_menu(tmp_path):
    bot = 'name: menu\nkeys: {"1": {say: "Hello."}}\n'
    assert ("keys", "needs a bot that talks") in [
        (p.key, p.message) for p in load(tmp_path, bot).problems
    ]
