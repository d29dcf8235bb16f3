"""A simulated caller: dials, carries out a scenario, and reports what it heard."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from local.callers.actor import Actor
from local.callers.heard_words import Transcriber
from local.callers.phone import Phone
from local.callers.report import CallReport, Line
from local.callers.scenario import Scenario
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError


class Caller:
    """One call, from the INVITE to the report.

    Parameters:
        phone: The line, once ``run`` has dialled.
        on_line: Told each thing said, by either side, when its words are known.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        address: str,
        scenario: Scenario,
        *,
        lines: Mapping[str, np.ndarray],
        ears: Transcriber,
        tape_path: Path | None = None,
        on_line: Callable[[Line], None] | None = None,
    ):
        """Initialize a caller.

        Args:
            endpoint: Its signalling socket; several callers may share one.
            address: ``host:port`` to dial.
            scenario: What to do.
            lines: Audio of everything it will say, from ``Voice.render``.
            ears: Its speech recognition.
            tape_path: Where its own recording goes.
            on_line: Told each thing said.
        """
        self.phone: Phone | None = None
        self.on_line = on_line
        self._endpoint, self._address, self._scenario = endpoint, address, scenario
        self._lines, self._ears, self._tape_path = lines, ears, tape_path

    async def run(self) -> CallReport:
        """Dial, carry out the steps, hang up and report; never leaves the call standing."""
        scenario = self._scenario
        phone = self.phone = Phone.dial(
            self._endpoint,
            f"sip:{scenario.dial}@{self._address}",
            caller=scenario.caller,
            hears_music=scenario.hears_music,
        )
        actor = Actor(phone, scenario, lines=self._lines, ears=self._ears, on_line=self.on_line)
        try:
            async with asyncio.timeout(scenario.max_secs):
                if await self._is_answered(phone, actor):
                    await actor.perform()
        except TimeoutError:
            actor.note(0, False, f"the call took longer than {scenario.max_secs:g} s")
        finally:
            await phone.hang_up()
        return await actor.finish(self._tape_path)

    async def _is_answered(self, phone: Phone, actor: Actor) -> bool:
        try:
            await phone.answered(self._scenario.answer_secs)
        except SipCallError as error:
            actor.report.end_status = error.status
            actor.note(0, False, f"the call was refused: {error}")
            return False
        except TimeoutError:
            actor.note(0, False, f"no answer within {self._scenario.answer_secs:g} s")
            return False
        actor.report.answer_secs = (phone.answered_at or 0.0) - phone.dialled_at
        return True
