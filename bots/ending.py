"""Why a call ends: whoever says it first is right."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from records.outcomes import OUTCOMES, Outcome

T = TypeVar("T")

ENDS_AS_CALLS_DO: frozenset[Outcome] = frozenset({"completed", "caller_hung_up"})


@dataclass(frozen=True)
class Ending:
    """One reason to end a call.

    Parameters:
        outcome: Why, in our words.
        reason: Why, in the words of who caused it.
        politely: Whether what is being said is said to its end.
        say: A last sentence; "" for none.
    """

    outcome: Outcome
    reason: str = ""
    politely: bool = False
    say: str = ""


def outcome_of(reason: object) -> Outcome:
    """The outcome an ``EndWorkerFrame(reason=…)`` asks for; ``completed`` by default."""
    return cast(Outcome, reason) if reason in OUTCOMES else "completed"


class EndingGate:
    """Takes the first ending and lets everybody wait for it.

    Parameters:
        achieved: What the call has come to, as a message taken: it is the outcome of a call that
            then ends as calls do.
    """

    def __init__(self):
        """Initialize, open."""
        self.achieved: Outcome | None = None
        self._ending: Ending | None = None
        self._closed = asyncio.Event()

    @property
    def ending(self) -> Ending | None:
        """The ending, once there is one."""
        if self._ending and self.achieved and self._ending.outcome in ENDS_AS_CALLS_DO:
            return replace(self._ending, outcome=self.achieved)
        return self._ending

    def close(self, ending: Ending) -> None:
        """End the call for this reason, unless it ends for another already."""
        if self._ending is None:
            self._ending = ending
            self._closed.set()

    async def first(self, awaited: Coroutine[Any, Any, T], secs: float | None = None) -> T | None:
        """Wait for something in the life of a call.

        Returns:
            Its result; None if the call's end came first, or nothing within ``secs``.
        """
        coming = asyncio.ensure_future(awaited)
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({coming, closed}, timeout=secs, return_when="FIRST_COMPLETED")
            return coming.result() if coming.done() and self._ending is None else None
        finally:
            closed.cancel()
            coming.cancel()
            await asyncio.gather(closed, coming, return_exceptions=True)

    async def wait(self, secs: float | None = None) -> bool:
        """Wait for the end; False if it did not come within ``secs``."""
        try:
            async with asyncio.timeout(secs):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True
