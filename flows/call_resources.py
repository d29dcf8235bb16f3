"""What a tool may use of the call it runs in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from pipecat.flows import FlowManager
from pydantic import SecretStr

from processors.keypad import Keypad
from records.event import Event
from records.outcomes import Outcome


@dataclass(frozen=True)
class TransferReport:
    """What became of handing the caller to a person, as far as the bot has to know.

    Parameters:
        status: ``connected``; ``closed``, nobody works now; ``impossible``; or why nobody came:
            ``busy``, ``no_answer``, ``voicemail``, ``declined``, ``refused``, ``failed``,
            ``unknown``, ``caller_gone``.
        spoken: Whether the caller was told already.
    """

    status: str
    spoken: bool = True


async def no_transfer(desk: str, reason: str) -> TransferReport:
    """Hands nobody to anybody: there is no line."""
    return TransferReport("impossible", spoken=False)


def note_nothing(kind: type[Event], **fields: object) -> object:
    """Writes no event."""
    return None


@dataclass(frozen=True)
class CallResources:
    """The worker's ``app_resources`` of a call.

    Parameters:
        data_dir: Folder for what tools keep between calls.
        caller: The caller's number; "" when it is hidden.
        dialled: The called number.
        now: Local time at the business.
        end: Ends the call once the bot has said what it is saying, with an outcome.
        transfer: Hands the caller to a desk ("": the bot's own) for a reason; returns when both
            talk, or when the caller is the bot's again.
        note: Writes an event of the call.
        achieve: What the call has come to, should it now end without another reason.
        keypad: Asks the caller for numbers; None where there is no line.
        secrets: What the caller keyed in secretly, by kind, for tools alone: take it out with
            ``secrets.pop("card")`` and let no result hold it.
        language: BCP 47 tag of the bot.
        variables: What the call is about.
    """

    data_dir: Path
    caller: str
    dialled: str
    now: Callable[[], datetime]
    end: Callable[[Outcome], None]
    transfer: Callable[[str, str], Awaitable[TransferReport]] = no_transfer
    note: Callable[..., object] = note_nothing
    achieve: Callable[[Outcome], None] = lambda outcome: None
    keypad: Keypad | None = None
    secrets: dict[str, SecretStr] = field(default_factory=dict, repr=False)
    language: str = "en-US"
    variables: Mapping[str, str] = field(default_factory=dict)


def call_resources(flow_manager: FlowManager) -> CallResources:
    """The resources of the call in which a tool runs."""
    return cast(CallResources, flow_manager.worker.app_resources)
