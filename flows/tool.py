"""What every tool of a flow promises: an answer in time, and a sentence when it fails."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from loguru import logger
from pipecat.flows import TRANSITION_IN_YAML, flows_tool_options

ToolFunction = Callable[..., Awaitable[Any]]


def tool(
    *, failure: str, writes: bool = False, timeout_secs: float = 8.0
) -> Callable[[ToolFunction], ToolFunction]:
    """Make an async function a tool of a YAML flow.

    The function takes ``flow_manager`` and described parameters, and returns what the LLM is told:
    a mapping, or ``(mapping, NO_RESPONSE)`` when the bot shall say nothing. Where the flow goes is
    the YAML's to say. The LLM waits for the result, as Pipecat's ``cancel_on_interruption=True``
    means; its default would let the LLM talk on and change the prompt.

    Args:
        failure: What the caller is told when the tool fails, one sentence.
        writes: The work goes on to its end when the caller interrupts, since half of a booking
            is worse than one that nobody heard of. It must be safe to ask for twice.
        timeout_secs: Pipecat gives up after this long.
    """

    def decorate(function: ToolFunction) -> ToolFunction:
        @functools.wraps(function)
        async def call(flow_manager, **arguments: Any) -> tuple[Any, Any]:
            work = asyncio.ensure_future(function(flow_manager, **arguments))
            try:
                result = await (asyncio.shield(work) if writes else work)
            except Exception as error:  # the border of a tool: the caller hears a sentence
                logger.opt(exception=error).error(f"Tool {function.__name__} failed")
                result = {"status": "error", "error": type(error).__name__, "say": failure}
            return (result, TRANSITION_IN_YAML) if isinstance(result, Mapping) else result

        options = flows_tool_options(cancel_on_interruption=True, timeout_secs=timeout_secs)
        return options(call)

    return decorate
