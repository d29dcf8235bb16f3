"""Messages, promised calls and transfers as any flow may name them."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pipecat.flows import NO_RESPONSE

from bots.ending import Ending, EndingGate
from flows import ready_tools
from flows.call_resources import CallResources, TransferReport
from flows.flow_file import load_flow
from records.call_record import CallRecord
from records.event import Event
from records.log import EventLog
from records.redaction import redacted

NOW = datetime(2026, 11, 21, 18, 0)


class Call:
    """What a tool sees of a call, and what it did to it."""

    def __init__(self, caller: str = "+15550123"):
        self.events: list[Event] = []
        self.gate = EndingGate()
        self.asked: list[tuple[str, str]] = []
        self.report = TransferReport("busy")
        self.resources = CallResources(
            Path("."),
            caller,
            "+15550100",
            lambda: NOW,
            lambda outcome: self.gate.close(Ending(outcome)),
            self._transfer,
            EventLog("c1", self.events.append).add,
            lambda outcome: setattr(self.gate, "achieved", outcome),
        )

    async def _transfer(self, desk: str, reason: str) -> TransferReport:
        self.asked.append((desk, reason))
        return self.report

    async def use(self, tool: str, **arguments: Any) -> tuple[Any, Any]:
        manager = SimpleNamespace(worker=SimpleNamespace(app_resources=self.resources))
        return await getattr(ready_tools, tool)(manager, **arguments)

    @property
    def record(self) -> CallRecord:
        return CallRecord.fold(self.events)


async def test_a_message_is_in_the_record_and_is_what_the_call_came_to():
    call = Call()
    result, _ = await call.use("take_message", message=" I am late. ", name="Ada")
    assert result == {"status": "taken"}
    (message,) = call.record.messages
    assert (message.text, message.name, message.number) == ("I am late.", "Ada", "+15550123")
    call.gate.close(Ending("completed", "bot"))
    assert call.gate.ending and call.gate.ending.outcome == "message_taken"
    assert "I am" not in json.dumps(redacted(call.record).model_dump(mode="json"))


async def test_an_empty_message_is_asked_for():
    call = Call()
    result, _ = await call.use("take_message", message=" ")
    assert result["status"] == "error" and result["say"] and not call.events


@pytest.mark.parametrize("when", ["2026-11-27T15:00", "2026-11-21", "tomorrow after lunch"])
async def test_a_promised_call_is_in_the_record(when: str):
    call = Call()
    result, _ = await call.use("schedule_callback", when=when, topic="a lost umbrella")
    assert result == {"status": "booked", "when": when}
    (callback,) = call.record.callbacks
    assert (callback.number, callback.when) == ("+15550123", when)
    call.gate.close(Ending("caller_hung_up"))
    assert call.gate.ending and call.gate.ending.outcome == "callback_booked"


@pytest.mark.parametrize("when", ["2026-11-20", "2026-11-21T17:00", "2026-11-21T17:00:00+01:00"])
async def test_nobody_is_called_back_in_the_past(when: str):
    call = Call()
    result, _ = await call.use("schedule_callback", when=when)
    assert "past" in result["say"] and not call.events


async def test_a_hidden_number_is_asked_for():
    call = Call(caller="")
    result, _ = await call.use("schedule_callback", when="tomorrow")
    assert "number" in result["say"] and not call.events
    await call.use("schedule_callback", when="tomorrow", number="+15550111")
    assert call.record.callbacks[0].number == "+15550111"


async def test_a_transfer_says_what_became_of_it_and_the_bot_stays_silent():
    call = Call()
    assert await call.use("transfer_to_human", reason="a bill") == ({"status": "busy"}, NO_RESPONSE)
    assert call.asked == [("", "a bill")]
    call.report = TransferReport("impossible", spoken=False)
    result, _ = await call.use("transfer_to_human", reason="a bill", desk="kitchen")
    assert result["say"] == ready_tools.NOT_CONNECTED and call.asked[-1][0] == "kitchen"


async def test_where_there_is_no_line_nobody_is_transferred():
    call = Call()
    call.resources = replace(call.resources, transfer=CallResources.transfer)
    result, _ = await call.use("transfer_to_human", reason="")
    assert result["status"] == "impossible"


def test_a_flow_names_them_without_python_of_its_own(tmp_path: Path):
    (tmp_path / "small.yaml").write_text(
        "initial_node: a\nnodes:\n  a:\n    task_messages: [{role: developer, content: Help.}]\n"
        "    functions: [{name: transfer_to_human}, {name: take_message}]\n"
    )
    flow, problems = load_flow("small", tmp_path)
    assert not problems and flow
