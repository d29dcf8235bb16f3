"""Reads the messages of a request: what was said, which tools were called, what they returned."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from local.providers.slot_dates import MONTHS

# What Pipecat puts in the place of a result while there is none.
_NO_RESULT = ("IN_PROGRESS", "CANCELLED")


@dataclass
class ToolUse:
    """One tool call and what came of it.

    Parameters:
        name: Of the tool.
        arguments: As called.
        result: Its fields; None while it works, or when it was cancelled.
        cancelled: It will have no result.
    """

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None
    cancelled: bool = False


@dataclass
class Exchange:
    """What the caller said, and what followed.

    Parameters:
        said: Fragments without an answer between them are joined.
        tools: Called since, in order.
        answered: The bot said something since.
    """

    said: str = ""
    tools: list[ToolUse] = field(default_factory=list)
    answered: bool = False


@dataclass
class History:
    """A request, read.

    Parameters:
        prompt: All that system and developer messages say.
        today: The date given there, or else the machine's.
        exchanges: The first may be without words of the caller.
    """

    prompt: str
    today: date
    exchanges: list[Exchange]


def read_history(messages: Iterable[dict[str, Any]], today: date) -> History:
    """Read the messages of a chat completion request; unknown shapes are passed over."""
    prompts: list[str] = []
    exchanges = [Exchange()]
    uses: dict[str, ToolUse] = {}
    for message in messages:
        role, text = message.get("role"), _text(message.get("content"))
        if role == "user" and text:
            _hear(exchanges, text)
        elif role == "assistant":
            exchanges[-1].answered |= bool(text)
            for call_id, use in _calls(message):
                uses[call_id] = use
                exchanges[-1].tools.append(use)
        elif role == "tool":
            _settle(uses.get(str(message.get("tool_call_id"))), text)
        elif role in ("system", "developer") and not _settle_late(uses, text):
            prompts.append(text)
    prompt = "\n".join(prompts)
    return History(prompt, _date_in(prompt) or today, exchanges)


def _hear(exchanges: list[Exchange], text: str) -> None:
    last = exchanges[-1]
    if last.answered or any(not use.cancelled for use in last.tools):
        exchanges.append(Exchange(text))
    elif last.said:
        last.said += " " + text
        last.tools.clear()
    else:
        last.said = text


def _calls(message: dict[str, Any]) -> Iterator[tuple[str, ToolUse]]:
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        try:
            arguments = json.loads(function.get("arguments") or "{}")
        except ValueError:
            arguments = {}
        arguments = arguments if isinstance(arguments, dict) else {}
        yield str(call.get("id")), ToolUse(str(function.get("name")), arguments)


def _settle(use: ToolUse | None, text: str) -> None:
    if use is None or text.startswith(_NO_RESULT[0]):
        return
    if text.startswith(_NO_RESULT[1]):
        use.cancelled = True
        return
    payload = _json(text)
    # Pipecat's async tools: a first message that says the tool runs, the result comes later.
    if payload.get("type") == "async_tool" and payload.get("status") == "running":
        return
    use.result = payload


def _settle_late(uses: dict[str, ToolUse], text: str) -> bool:
    """A result in a developer message; False if this message is none.

    Source: pipecat processors/aggregators/async_tool_messages.py.
    """
    payload = _json(text)
    if payload.get("type") != "async_tool":
        return False
    if payload.get("status") == "finished":
        _settle(uses.get(str(payload.get("tool_call_id"))), str(payload.get("result")))
    return True


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {"result": text}
    return value if isinstance(value, dict) else {"result": value}


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(filter(None, parts)).strip()
    return str(content or "").strip()


def _date_in(prompt: str) -> date | None:
    """``Today is 2026-11-21``, ``Today is Saturday, November 21, 2026`` or ``21 November 2026``."""
    for sentence in re.findall(r"today(?:'s date)? is:? ([^\n]{0,60})", prompt, re.I):
        month = "|".join(MONTHS)
        iso = re.search(r"(\d{4})-(\d\d)-(\d\d)", sentence)
        us = re.search(rf"\b({month}) (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})", sentence, re.I)
        uk = re.search(rf"\b(\d{{1,2}})(?:st|nd|rd|th)? ({month}),? (\d{{4}})", sentence, re.I)
        try:
            if iso:
                return date(int(iso[1]), int(iso[2]), int(iso[3]))
            if us:
                return date(int(us[3]), MONTHS.index(us[1].lower()) + 1, int(us[2]))
            if uk:
                return date(int(uk[3]), MONTHS.index(uk[2].lower()) + 1, int(uk[1]))
        except ValueError:
            continue
    return None
