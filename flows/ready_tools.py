"""Tools about people that any flow may name: hand the caller over, take a message, promise a call.

They need no Python beside the flow; one of the same name there counts instead.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipecat.flows import NO_RESPONSE, FlowManager

from flows.call_resources import call_resources
from flows.tool import tool
from records.transfer_events import CallbackBooked, MessageTaken

NOT_CONNECTED = "I am sorry, I cannot connect you to anybody right now."
NO_MESSAGE = "I am sorry, I could not keep your message."
NO_CALLBACK = "I am sorry, I could not note that down."
# Two numbers that ring, two briefings and the thinking between.
TRANSFER_SECS = 300.0

Result = Mapping[str, Any]


@tool(failure=NOT_CONNECTED, writes=True, timeout_secs=TRANSFER_SECS)
async def transfer_to_human(flow_manager: FlowManager, reason: str, desk: str = "") -> Any:
    """Hand the caller to a person. Call it when they ask for one, without announcing it.

    The caller is told what happens and hears music; if nobody comes they are told so and offered
    what else there is, so say nothing yourself.

    Args:
        flow_manager: The conversation.
        reason: What the caller wants, in a few words, for the person who answers.
        desk: Name of the desk; leave it out for the usual one.
    """
    report = await call_resources(flow_manager).transfer(desk, reason)
    if report.spoken:
        return {"status": report.status}, NO_RESPONSE
    return {"status": report.status, "say": NOT_CONNECTED}


@tool(failure=NO_MESSAGE, writes=True)
async def take_message(
    flow_manager: FlowManager, message: str, name: str = "", number: str = ""
) -> Result:
    """Keep a message for the people of the business. Read it back before, in one sentence.

    Args:
        flow_manager: The conversation.
        message: What the caller wants to tell, in their own words.
        name: Who they are.
        number: Where they can be reached; leave it out for the number they call from.
    """
    call = call_resources(flow_manager)
    if not message.strip():
        return {"status": "error", "say": "What shall I write down?"}
    reached_at = number.strip() or call.caller
    call.note(MessageTaken, text=message.strip(), name=name.strip(), number=reached_at)
    call.achieve("message_taken")
    return {"status": "taken"}


@tool(failure=NO_CALLBACK, writes=True)
async def schedule_callback(
    flow_manager: FlowManager, when: str, number: str = "", topic: str = ""
) -> Result:
    """Promise that somebody calls back.

    Args:
        flow_manager: The conversation.
        when: ISO date and time, such as 2026-11-27T15:00, or the caller's words for it.
        number: Whom to call; leave it out for the number they call from.
        topic: What about, in a few words.
    """
    call = call_resources(flow_manager)
    reach_at = number.strip() or call.caller
    if not reach_at:
        return {"status": "error", "say": "Under which number can we reach you?"}
    if _is_past(when, call.now()):
        return {"status": "error", "say": "That time is in the past. When shall we call you?"}
    call.note(CallbackBooked, number=reach_at, when=when.strip(), topic=topic.strip())
    call.achieve("callback_booked")
    return {"status": "booked", "when": when.strip()}


def _is_past(when: str, now: datetime) -> bool:
    try:
        asked = datetime.fromisoformat(when.strip())
    except ValueError:
        return False  # "tomorrow morning" is as good a promise
    if len(when.strip()) <= 10:
        return asked.date() < now.date()
    return asked.replace(tzinfo=None) < now.replace(tzinfo=None)
