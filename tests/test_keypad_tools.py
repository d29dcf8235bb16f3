"""Numbers on a call: asked for by a tool, keyed in on a phone, seen by those who may."""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from livekit import rtc
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from bots.bot import Bot
from bots.loading import load_bots
from flows.spoken_digits import read_back
from records.event import Event
from records.wav import read_stereo
from tests.fakes_room import FakeRoom, fake_publish_key, until
from tests.fakes_session import FakePhone, FakeProviders, FakeSTT, a_call
from transports import livekit_sip_client

logger.remove()

CARD = "4242424242424242"

BOT = """
name: till
numbers: ["+15550100"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: cartesia/sonic-3
greeting: "Hello."
flow: till
"""
FLOW = """
initial_node: conversation
nodes:
  conversation:
    respond_immediately: false
    role_message: You sell things.
    task_messages:
      - role: developer
        content: Take the money.
    functions:
      - name: collect_digits
      - name: collect_secret
      - name: send_keys
      - name: charge
"""
CODE = '''
from flows.call_resources import call_resources
from flows.tool import tool

CHARGED = []


@tool(failure="No.")
async def charge(flow_manager):
    """Charge the card that was keyed in."""
    CHARGED.append(call_resources(flow_manager).secrets.pop("card").get_secret_value())
    return {"status": "charged"}
'''


@pytest.fixture(autouse=True)
def fake_room(monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    monkeypatch.setattr(livekit_sip_client, "publish_key", fake_publish_key)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None


@pytest.fixture
def till(tmp_path: Path) -> Bot:
    for name, text in {
        "bots/till.yaml": BOT,
        "flows/till.yaml": FLOW,
        "flows/till.py": CODE,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    bots = load_bots(tmp_path / "bots", tmp_path / "flows")
    assert not bots.problems
    return bots.by_name["till"]


def press(phone: FakePhone, keys: str) -> None:
    for key in keys:
        code = "0123456789*#".index(key)
        phone.room.emit("sip_dtmf_received", rtc.SipDTMF(code, key, phone.caller))  # pyright: ignore


async def asked(phone: FakePhone) -> None:
    """The caller has said something, and the bot is heard to ask by its tool."""
    called = await phone.happened("tool_called", 8)
    await until(lambda: heard_since(called, phone, "bot_started_speaking"), 8)


async def hushed(phone: FakePhone) -> None:
    """The question is over: asked to its end, or silenced by a key."""
    called = phone.of("tool_called")[0]
    await until(lambda: heard_since(called, phone, "bot_stopped_speaking"), 8)


def heard_since(event: Event, phone: FakePhone, kind: str) -> bool:
    return any(later.seq > event.seq for later in phone.of(kind))


DIGITS = {"question": "Please key in your table number.", "min_digits": 3, "max_digits": 6}
SECRET = {"question": "Please key in your card number.", "kind": "card"}


async def says(phone: FakePhone, words: str) -> None:
    """The bot has been heard to say them."""
    await until(lambda: any(words in e.text for e in phone.of("bot_spoke")), 8)


async def test_a_number_is_keyed_in_over_the_question_and_read_back(till, tmp_path):
    long = dict(DIGITS, question="Please key in the number of your table " + "and wait " * 40)
    providers = FakeProviders([("collect_digits", long)], "It is four, seven, two.")
    async with a_call(till, tmp_path, providers=providers) as phone:
        await phone.answered()
        await phone.happened("bot_stopped_speaking")
        await providers.the_stt.hear("I want to pay")
        await until(lambda: len(phone.of("bot_started_speaking")) == 2, 8)
        press(phone, "472#")
        await says(phone, "It is")
        phone.hang_up()
        await phone.over()
    (keys,) = phone.of("keys_entered")
    assert (keys.keys, keys.count, keys.secret) == ("472", 4, False)
    assert phone.of("bot_interrupted")[-1].t > phone.of("tool_called")[0].t
    assert [e.error for e in phone.of("tool_returned")] == [None]
    result = providers.the_llm.requests[-1][-1]["content"]
    assert '"digits": "472"' in result and '"read_back": "four, seven, two"' in result


async def test_a_caller_may_say_the_rest_of_the_number(till, tmp_path):
    providers = FakeProviders([("collect_digits", DIGITS)], "It is four, seven, two.")
    async with a_call(till, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear("I want to pay")
        await asked(phone)
        press(phone, "47")
        await hushed(phone)
        await providers.the_stt.hear("and then a two")
        await says(phone, "It is")
        phone.hang_up()
        await phone.over()
    assert [e.error for e in phone.of("tool_returned")] == ["cancelled"]
    told = str(providers.the_llm.requests[-1])
    assert "keyed in 4 7" in told and "and then a two" in told


async def test_a_noise_ends_no_entry(till, tmp_path):
    providers = FakeProviders([("collect_digits", DIGITS)], "Thank you.")
    async with a_call(till, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear("I want to pay")
        await asked(phone)
        press(phone, "4")
        await hushed(phone)
        await providers.the_stt.push_frame(VADUserStartedSpeakingFrame())
        await providers.the_stt.push_frame(VADUserStoppedSpeakingFrame())
        press(phone, "72#")
        await says(phone, "Thank you.")
        phone.hang_up()
        await phone.over()
    assert [e.error for e in phone.of("tool_returned")] == [None]


@pytest.fixture
def log_lines():
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{message}\n{exception}", diagnose=True)
    yield lines
    logger.remove(sink)


async def test_a_card_number_is_charged_and_seen_by_nobody(till, tmp_path, log_lines):
    providers = FakeProviders([("collect_secret", SECRET)], [("charge", {})], "It is paid.")
    heard = what_is_heard(providers.the_stt)
    tape = tmp_path / "call.wav"
    async with a_call(till, tmp_path, providers=providers, recording_path=str(tape)) as phone:
        await phone.answered()
        async with noise_of(phone):
            await until(lambda: any(heard), 8)
            await providers.the_stt.hear("I want to pay")
            await asked(phone)
            await asyncio.sleep(0.3)
            heard.clear()
            await asyncio.sleep(0.5)  # the caller looks for the card
            assert heard and not any(heard)
            press(phone, CARD + "#")
            await phone.happened("keys_entered")
            press(phone, "9")  # a nervous finger
            await says(phone, "It is paid.")
            heard.clear()
            await until(lambda: sum(heard) > 25, 8)  # the line is open again
        phone.hang_up()
        await phone.over()
    assert sys.modules["switchboard_flows_till"].CHARGED.pop() == CARD
    assert [(e.keys, e.count) for e in phone.of("keys_entered")] == [("", 17), ("", 1)]
    seen = "".join(e.model_dump_json() for e in phone.events) + str(providers.the_llm.requests)
    assert CARD not in seen and CARD not in "".join(log_lines)
    assert not [line for line in log_lines if re.search(r"(tone|digit|key)\W+\d", line)]
    caller, _, rate_hz = read_stereo(tape)
    zero = phone.of("recording_started")[0].t
    began, ended = (phone.of(kind)[0].t - zero for kind in ("tool_called", "keys_entered"))
    assert caller[: int(began * rate_hz)].any()
    assert ended - began > 0.6
    assert not caller[int((began + 0.4) * rate_hz) : int(ended * rate_hz)].any()
    assert caller[int((ended + 0.5) * rate_hz) :].any()


async def test_keys_of_the_bot_are_sent_whole_and_paced(till, tmp_path):
    providers = FakeProviders([("send_keys", {"keys": "1 2#"})], "I pressed them.")
    async with a_call(till, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear("Press one two hash")
        digits = phone.room.local_participant.digits
        await until(lambda: digits, 8)
        await providers.the_stt.hear("Stop it")  # an interruption cuts no number in two
        await until(lambda: len(digits) == 3, 8)
        phone.hang_up()
        await phone.over()
    assert [(key, to) for _, key, to in digits] == [(c, "sip_caller") for c in "12#"]


@pytest.mark.parametrize(
    "tool, arguments, problem",
    [
        ("send_keys", {"keys": "1+2"}, "keys are 1 to 32 of"),
        ("collect_digits", DIGITS | {"max_digits": 99}, "is no length"),
        ("collect_secret", SECRET | {"digits": 3}, "a card has 12 to 19 digits"),
    ],
)
async def test_a_model_that_asks_for_nonsense_is_told(till, tmp_path, tool, arguments, problem):
    providers = FakeProviders([(tool, arguments)], "I am sorry.")
    async with a_call(till, tmp_path, providers=providers) as phone:
        await phone.answered()
        await providers.the_stt.hear("Hello")
        await says(phone, "I am sorry.")
        phone.hang_up()
        await phone.over()
    assert problem in providers.the_llm.requests[-1][-1]["content"]


@pytest.mark.parametrize(
    "digits, language, said",
    [
        ("472", "en-US", "four, seven, two"),
        ("5550123", "en", "five five five, zero one two three"),
        ("12345678", "de-DE", "eins zwei drei, vier fünf sechs, sieben acht"),
        ("47", "fi-FI", "4, 7"),
        ("", "en", ""),
    ],
)
def test_numbers_are_read_back_as_people_say_them(digits, language, said):
    assert read_back(digits, language) == said


def what_is_heard(stt: FakeSTT) -> list[bool]:
    """Whether there was any sound, for each frame that the STT gets."""
    heard: list[bool] = []

    async def run_stt(audio: bytes) -> AsyncGenerator[Frame | None, None]:
        heard.append(any(audio))
        yield None

    stt.run_stt = run_stt  # pyright: ignore
    return heard


@asynccontextmanager
async def noise_of(phone: FakePhone) -> AsyncIterator[None]:
    """The caller's line hums."""
    source = rtc.AudioSource(16000, 1)
    phone.room.publish(phone.caller, source)

    async def hum() -> None:
        while True:
            await source.capture_frame(rtc.AudioFrame(b"\x01\x02" * 320, 16000, 1, 320))

    humming = asyncio.create_task(hum())
    try:
        yield
    finally:
        humming.cancel()
        await asyncio.wait({humming})
        await source.aclose()
