"""The reminder's tools: each notes the answer; all but one also end the call."""

from typing import Any

from pipecat.flows import NO_RESPONSE, FlowManager

from flows.call_resources import call_resources
from flows.tool import tool
from records.line_events import NumberOptedOut, ResultNoted

NOT_NOTED = "I am sorry, I could not note that down."


@tool(failure=NOT_NOTED, writes=True)
async def confirm(flow_manager: FlowManager) -> Any:
    """They will be there. Say goodbye in the same breath; the call ends."""
    return _answered(flow_manager, "confirmed")


@tool(failure=NOT_NOTED, writes=True)
async def reschedule(flow_manager: FlowManager, when: str) -> Any:
    """They want another time.

    Args:
        flow_manager: The conversation.
        when: When it would suit them, in their own words.
    """
    if not when.strip():
        return {"status": "error", "say": "When would it suit you?"}
    results = {"answer": "reschedule", "when": when.strip()}
    call_resources(flow_manager).note(ResultNoted, results=results)
    return {"status": "noted"}


@tool(failure=NOT_NOTED, writes=True)
async def stop_calling(flow_manager: FlowManager) -> Any:
    """They do not want to be called again, and will not be. Say goodbye first; the call ends."""
    call = call_resources(flow_manager)
    if call.caller:
        call.note(NumberOptedOut, number=call.caller)
    return _answered(flow_manager, "stop_calling")


@tool(failure=NOT_NOTED, writes=True)
async def wrong_person(flow_manager: FlowManager) -> Any:
    """It is not the person the call is for. Apologise and say goodbye first; the call ends."""
    return _answered(flow_manager, "wrong_person")


@tool(failure="")
async def end_call(flow_manager: FlowManager) -> Any:
    """End the call. Call it when they say goodbye or need nothing more."""
    call_resources(flow_manager).end("completed")
    return {"status": "ending"}, NO_RESPONSE


def _answered(flow_manager: FlowManager, answer: str) -> Any:
    call = call_resources(flow_manager)
    call.note(ResultNoted, results={"answer": answer})
    call.end("completed")
    return {"status": "ending"}, NO_RESPONSE
