"""What a tool may use of the call it runs in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from pipecat.flows import FlowManager

from records.outcomes import Outcome


@dataclass(frozen=True)
class CallResources:
    """The worker's ``app_resources`` of a call.

    Parameters:
        data_dir: Folder for what tools keep between calls.
        caller: The caller's number; "" when it is hidden.
        dialled: The called number.
        now: Local time at the business.
        end: Ends the call once the bot has said what it is saying, with an outcome.
    """

    data_dir: Path
    caller: str
    dialled: str
    now: Callable[[], datetime]
    end: Callable[[Outcome], None]


def call_resources(flow_manager: FlowManager) -> CallResources:
    """The resources of the call in which a tool runs."""
    return cast(CallResources, flow_manager.worker.app_resources)
