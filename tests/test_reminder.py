"""The shipped bot that calls people, on the local rules for its conversation."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pipecat.flows import NO_RESPONSE

from bots.loading import load_bots
from bots.variables import MissingVariableError, filled
from flows import reminder
from flows.call_resources import CallResources
from flows.flow_file import load_flow
from local.providers.responder import Responder
from records.line_events import NumberOptedOut, ResultNoted

PROMPT = {"role": "system", "content": "You have called Ada as an appointment reminder of a table."}
GREETING = {"role": "assistant", "content": "Hello Ada. Will you be there?"}


class Call:
    """What the tools do to a call."""

    def __init__(self, caller: str = "+14155552671"):
        self.notes: list[tuple[type, dict]] = []
        self.ended: list[str] = []
        resources = CallResources(
            Path(), caller, caller, datetime.now, self.ended.append, note=self._note
        )
        self.manager = SimpleNamespace(worker=SimpleNamespace(app_resources=resources))

    def _note(self, kind: type, **fields) -> None:
        self.notes.append((kind, fields))


@pytest.fixture(scope="module")
def model():
    responder = Responder.load(Path("flows"))
    flow, problems = load_flow("reminder", Path("flows"))
    assert flow and not problems
    names = [function.name for function in flow.config.nodes["answer"].functions]
    tools = [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {
                    "type": "object",
                    "properties": {"when": {"type": "string"}} if name == "reschedule" else {},
                },
            },
        }
        for name in names
    ]

    def answer(*said: str):
        talk = [PROMPT, GREETING]
        for text in said[:-1]:
            talk.append({"role": "user", "content": text})
            talk.append({"role": "assistant", "content": responder.answer(talk, tools).text})
        return responder.answer([*talk, {"role": "user", "content": said[-1]}], tools)

    return answer


@pytest.mark.parametrize(
    "said, tool",
    [
        ("Yes.", "confirm"),
        ("Yes, I will be there.", "confirm"),
        ("Sure, that works.", "confirm"),
        ("Please stop calling me.", "stop_calling"),
        ("Take me off your list.", "stop_calling"),
        ("Don't call me again.", "stop_calling"),
        ("You have the wrong number.", "wrong_person"),
        ("Goodbye.", "end_call"),
    ],
)
def test_answer_leads_to_its_tool_and_a_goodbye(model, said, tool):
    answer = model(said)
    assert answer.tool == tool and "oodbye" in answer.text


@pytest.mark.parametrize("said", ["No.", "I can't make it.", "I need another time."])
def test_somebody_who_cannot_come_is_asked_for_another_time(model, said):
    assert "?" in model(said).text and not model(said).tool
    answer = model(said, "Friday afternoon at three.")
    assert (answer.tool, set(answer.arguments)) == ("reschedule", {"when"})
    assert "friday afternoon" in answer.arguments["when"].lower()


async def test_confirmation_is_noted_and_ends_the_call():
    call = Call()
    assert await reminder.confirm(call.manager) == ({"status": "ending"}, NO_RESPONSE)
    assert call.notes == [(ResultNoted, {"results": {"answer": "confirmed"}})]
    assert call.ended == ["completed"]


async def test_another_time_is_noted_and_the_call_goes_on():
    call = Call()
    result, _ = await reminder.reschedule(call.manager, when="Friday at three")
    assert result == {"status": "noted"} and not call.ended
    assert call.notes == [
        (ResultNoted, {"results": {"answer": "reschedule", "when": "Friday at three"}})
    ]
    result, _ = await reminder.reschedule(call.manager, when=" ")
    assert result["status"] == "error" and len(call.notes) == 1


@pytest.mark.parametrize("number, opted", [("+14155552671", True), ("", False)])
async def test_somebody_who_wants_no_calls_gets_none(number, opted):
    call = Call(number)
    await reminder.stop_calling(call.manager)
    assert ((NumberOptedOut, {"number": number}) in call.notes) == opted
    assert (ResultNoted, {"results": {"answer": "stop_calling"}}) in call.notes
    assert call.ended == ["completed"]


async def test_wrong_person_is_noted():
    call = Call()
    await reminder.wrong_person(call.manager)
    assert call.notes == [(ResultNoted, {"results": {"answer": "wrong_person"}})]
    await reminder.end_call(call.manager)
    assert call.ended == ["completed", "completed"]


def test_shipped_bot_greets_by_name_and_needs_one():
    bot = load_bots("bots", "flows").named("reminder")
    assert bot and not bot.numbers
    greeting = filled(bot, {"name": "Ada"}).config.greeting
    assert greeting.startswith("Hello Ada, this is an automated call from the restaurant Blue Door")
    with pytest.raises(MissingVariableError):
        filled(bot, {})
