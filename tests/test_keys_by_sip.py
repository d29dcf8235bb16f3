"""Keys on a real call, on a telephone that nobody here made: a menu, a secret, digits out."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from records.event import Event
from records.events import KeysEntered, ToolCalled
from records.wav import read_stereo
from tests.fakes_baresip import Foreign, closed, loudness, pump, within
from tests.line import Line, open_line

TILL = "+15550103"
CARD = "4242424242424242"
BOT = """
name: till
numbers: ["+15550103"]
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
tts: {use: cartesia/sonic-3, voice: 71a7ad14-091c-4e8e-a314-022ece01c121}
greeting: "The fish shop, good morning."
flow: till
keys:
  "1": {ask: "I want to pay."}
  "2": {ask: "Press the keys."}
"""
FLOW = """
initial_node: conversation
nodes:
  conversation:
    respond_immediately: false
    role_message: You are the till of the fish shop.
    task_messages: [{role: developer, content: Take the money.}]
    functions: [{name: collect_secret}, {name: charge}, {name: send_keys}]
"""
CODE = '''
import hashlib

from flows.call_resources import call_resources
from flows.tool import tool


@tool(failure="No.")
async def charge(flow_manager):
    """Charge the card that was keyed in."""
    call = call_resources(flow_manager)
    digits = call.secrets.pop("card").get_secret_value()
    (call.data_dir / "charged").write_text(hashlib.sha256(digits.encode()).hexdigest())
    return {"status": "charged"}
'''
RULES = """
prompt_contains: till of the fish shop
greeting: "The fish shop."
fallbacks: ["I did not understand."]
tools:
  collect_secret:
    arguments: {kind: card, question: "Please key in the number of your card, then press hash."}
    outcomes: [{when: {status: entered}}]
  charge:
    outcomes: [{when: {status: charged}, say: "It is paid, thank you.", done: true}]
  send_keys:
    arguments: {keys: "12#"}
    outcomes: [{when: {status: sent}, say: "I have pressed them."}]
intents:
  - {name: keys, patterns: ["press the keys"], tool: send_keys}
forms:
  - {name: pay, patterns: ["pay"], steps: [{call: collect_secret}, {call: charge}]}
"""
LOW_HZ = {"1": 697, "2": 697, "4": 770, "#": 941}
HIGH_HZ = {"1": 1209, "2": 1336, "4": 1209, "#": 1477}

NOISE = (np.random.default_rng(1).uniform(-1, 1, 4000) * 200).astype(np.int16)

in_module = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def till(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Line, Path]]:
    folder = tmp_path_factory.mktemp("stack")
    files = {"till.yaml": FLOW, "till.py": CODE, "till.rules.yaml": RULES}
    files = {f"flows/{name}": text for name, text in files.items()} | {"bots/till.yaml": BOT}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    settings = {f"SWITCHBOARD_{name}": str(folder / name.lower()) for name in ("BOTS", "FLOWS")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWITCHBOARD_FLOWS", settings["SWITCHBOARD_FLOWS"])  # the model's rules too
        async with open_line(folder, **settings, SWITCHBOARD_LOG_LEVEL="DEBUG") as line:
            yield line, folder


def tones(keys: str) -> np.ndarray:
    """The keys as a telephone with a loud receiver lets them be heard: DTMF in the voice."""
    at = np.arange(1600) / 8000
    both = [np.sin(2 * np.pi * LOW_HZ[k] * at) + np.sin(2 * np.pi * HIGH_HZ[k] * at) for k in keys]
    return (np.concatenate(both) * 7000).astype(np.int16)


async def bot_speaks(phone) -> None:
    """Wait until the bot has begun a sentence and ended it."""
    for wanted in (True, False):
        quiet_for = 0
        while quiet_for < (1 if wanted else 4):
            loud = loudness(await pump(phone, 0.2)) > 100
            quiet_for = quiet_for + 1 if loud == wanted else 0


@in_module
async def test_a_card_number_leaves_no_trace_on_a_real_call(till: tuple[Line, Path]):
    line, folder = till
    events: list[Event] = []
    noting = asyncio.create_task(note_events(line, events))
    async with Foreign() as foreign:
        agent = await foreign.agent("+15550177")
        phone = await agent.dial(f"sip:{TILL}@{line.stack.address.sip}")
        got: list[str] = []
        phone.on_dtmf(lambda event: got.append(event.digit))
        await phone.wait_established(8)
        await within(bot_speaks(phone), 15)
        await phone.send_dtmf("2")
        await within(bot_speaks(phone), 15)
        await phone.send_dtmf("1")
        await within(bot_speaks(phone), 15)
        loud = tones(CARD + "#")
        await asyncio.gather(phone.send_dtmf(CARD + "#"), pump(phone, len(loud) / 8000, loud))
        await within(bot_speaks(phone), 15)
        await pump(phone, 0.5, NOISE)  # on the tape again
        ended = asyncio.ensure_future(closed(phone))
        await phone.hangup()
        await within(ended)
    record = await line.record("+15550177")
    noting.cancel()
    assert got == list("12#")
    assert (folder / "charged").read_text() == hashlib.sha256(CARD.encode()).hexdigest()
    pressed = [(e.keys, e.count) for e in events if isinstance(e, KeysEntered)]
    assert pressed == [("2", 1), ("1", 1), ("", 17)] and record["keys"] == "21"
    told = "".join(event.model_dump_json() for event in events)
    assert not re.search(CARD[:6], told + str(record))
    for path in folder.rglob("*"):
        assert not path.is_file() or CARD[:6].encode() not in path.read_bytes(), path
    log = (folder / "logs" / "server.log").read_text()
    assert "Answering after" in log and not re.search(r"(tone|digit|key)\W+\d", log)
    tape_is_covered(Path(record["recording"].removeprefix("file:")), events)


def tape_is_covered(path: Path, events: list[Event]) -> None:
    """The caller's side is silent from the question on until the number is in."""
    caller, _, rate_hz = read_stereo(path)
    at = {e.type: e.t for e in reversed(events) if e.type in {"recording_started", "tool_called"}}
    asked = next(e.t for e in events if isinstance(e, ToolCalled) and e.name == "collect_secret")
    keyed = next(e.t for e in events if isinstance(e, KeysEntered) and e.secret)
    asked, keyed = (round((t - at["recording_started"]) * rate_hz) for t in (asked, keyed))
    assert keyed - asked > 3 * rate_hz
    assert not caller[asked + rate_hz // 5 : keyed].any()
    assert caller[keyed + rate_hz // 2 :].max() > 100


async def note_events(line: Line, into: list[Event]) -> None:
    async for event in line.api.events():
        into.append(event)
