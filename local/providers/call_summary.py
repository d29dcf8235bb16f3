"""Answers a request to summarise a call, as a model would: from the transcript in the request."""

import re
from collections.abc import Iterable
from typing import Any

# What a prompt says that wants a summary instead of an answer to the caller.
ASKED = re.compile(r"\bsummari[sz]e (a|this|the) (telephone )?call\b", re.I)
_LINE = re.compile(r"^(caller|tried): *(.+)$", re.I)


def wants_summary(messages: Iterable[dict[str, Any]]) -> bool:
    """Whether the prompt of a request asks for one."""
    prompts = (m.get("content") for m in messages if m.get("role") in ("system", "developer"))
    return any(isinstance(prompt, str) and ASKED.search(prompt) for prompt in prompts)


def summary_of(messages: Iterable[dict[str, Any]]) -> str:
    """One or two sentences about the transcript: lines ``Caller: …`` and ``Tried: …``."""
    said: list[str] = []
    tried: list[str] = []
    for message in messages:
        if message.get("role") == "user":
            for line in str(message.get("content") or "").splitlines():
                if found := _LINE.match(line.strip()):
                    (said if found[1].lower() == "caller" else tried).append(found[2])
    first = f"The caller said: {said[-1].rstrip('.')}." if said else "The caller said nothing yet."
    return f"{first} I tried to {' and to '.join(tried)}." if tried else first
