"""The files of a new bot; ``$name``, ``$title`` and ``$number`` are filled in."""

BOT_YAML = """\
# Keys and their values are those of bots/config.py; any other is an error.
name: $name
numbers: ["$number"]
language: en-US
stt: deepgram/nova-3-general
llm: openai/gpt-4.1-mini
# The voice is one of Cartesia's own; the local stand-in has a single voice and takes any id.
tts: {use: cartesia/sonic-3, voice: 71a7ad14-091c-4e8e-a314-022ece01c121}
greeting: "Hello, this is $title. How can I help?"
flow: $name
"""

FLOW_YAML = """\
# A Pipecat Flows file: nodes, what each one says, the tools it offers. The tools are in $name.py.
initial_node: conversation

nodes:
  conversation:
    # The greeting is the bot's; the caller speaks next.
    respond_immediately: false
    role_message: |
      You are the telephone assistant $title and speak with a caller.
      Today is {{ today }}.
      Your answers are spoken aloud: one or two short sentences, no lists, no symbols.
    task_messages:
      - role: developer
        content: |
          Tell callers when we are open; look it up with opening_hours. When the caller says goodbye
          or needs nothing more, say a short goodbye and call end_call.
    functions:
      - name: opening_hours
      - name: end_call
"""

FLOW_PY = '''\
"""The tools of $title."""

from datetime import date
from typing import Any

from pipecat.flows import NO_RESPONSE, FlowManager

from flows.call_resources import call_resources
from flows.tool import tool

HOURS = {
    "monday": "09:00 to 17:00",
    "tuesday": "09:00 to 17:00",
    "wednesday": "09:00 to 17:00",
    "thursday": "09:00 to 17:00",
    "friday": "09:00 to 15:00",
}


@tool(failure="I cannot look up our opening hours right now.")
async def opening_hours(flow_manager: FlowManager, day: str) -> dict[str, Any]:
    """Tell when we are open.

    Args:
        flow_manager: The conversation.
        day: ISO date, or English name of a weekday.
    """
    weekday = _weekday(day)
    hours = HOURS.get(weekday.lower())
    return {"day": weekday, "status": "open" if hours else "closed", "hours": hours}


@tool(failure="Goodbye.")
async def end_call(flow_manager: FlowManager) -> Any:
    """End the call. Call it when the caller says goodbye or needs nothing more."""
    call_resources(flow_manager).end("completed")
    return {"status": "ending"}, NO_RESPONSE


def _weekday(day: str) -> str:
    try:
        return date.fromisoformat(day.strip()).strftime("%A")
    except ValueError:
        return day.strip()
'''

RULES_YAML = r"""# How the local stand-in for a language model receives callers of $title.
# A real model reads the prompt of $name.yaml and knows nothing of this file.
prompt_contains: telephone assistant $title
greeting: "Hello, this is $title. How can I help?"
fallbacks:
  - "Sorry, could you say that again?"
  - "I can tell you when we are open."

slots:
  date:
    type: date
    ask: "For which day?"

tools:
  opening_hours:
    arguments: {day: "{date}"}
    otherwise: {day: "{today}"}
    outcomes:
      - when: {status: open}
        say: "We are open from {hours}."
      - when: {status: closed}
        say: "We are closed that day."
  end_call:
    outcomes:
      - when: {status: ending}

closing: goodbye
intents:
  - name: goodbye
    patterns: ['\b(good ?bye|bye)\b']
    examples: ["no that's all thank you", "goodbye", "that was everything"]
    say: "Thank you for calling. Goodbye."
    tool: end_call
  - name: hours
    patterns: ['\b(open|close|hours)\b']
    examples: ["when are you open", "what are your opening hours"]
    tool: opening_hours
    slots: [date]
  - name: hello
    examples: ["hello", "good morning"]
    say: "Hello. How can I help you?"
"""

TEST_PY = '''\
"""What callers of $title are told."""

from pathlib import Path
from types import SimpleNamespace

from bots.loading import load_bots
from flows.code_file import load_code_file

ROOT = Path(__file__).parent.parent
TOOLS = load_code_file(ROOT / "flows" / "$name.py")


def test_the_bot_is_sound_and_answers_its_number():
    bots = load_bots(ROOT / "bots", ROOT / "flows")
    assert not bots.problems
    bot = bots.for_number("$number")
    assert bot and bot.name == "$name"


async def test_callers_learn_when_we_are_open():
    for monday in ("Monday", "2026-11-23"):
        result, _ = await TOOLS.opening_hours(SimpleNamespace(), day=monday)
        assert result["hours"] == "09:00 to 17:00"
    result, _ = await TOOLS.opening_hours(SimpleNamespace(), day="sunday")
    assert result["status"] == "closed"


async def test_the_call_ends_when_the_bot_says_so():
    ended = []
    worker = SimpleNamespace(app_resources=SimpleNamespace(end=ended.append))
    await TOOLS.end_call(SimpleNamespace(worker=worker))
    assert ended == ["completed"]
'''
