"""Prepares and runs simulated callers: voice and ears first, then the calls."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import numpy as np

from local.callers.caller import Caller
from local.callers.ears import Ears
from local.callers.report import CallReport, Line
from local.callers.scenario import Scenario
from local.callers.voice import Voice
from local.models import models_folder, moonshine_folder
from local.sip.endpoint import SipEndpoint


class Simulation:
    """Everything a scenario's calls share; an asynchronous context manager.

    The lines are rendered and the models loaded before the first INVITE, so that nothing but the
    call itself runs while it is judged.
    """

    def __init__(self, scenario: Scenario, *, environ: Mapping[str, str]):
        """Initialize a simulation.

        Args:
            scenario: What each caller does.
            environ: The environment: where models and the cache are.
        """
        self.scenario = scenario
        self._environ = environ
        self._lines: dict[str, np.ndarray] = {}
        self._ears: Ears | None = None
        self._endpoint: SipEndpoint | None = None

    async def __aenter__(self) -> Self:
        """Get ready; see ``prepare``."""
        await self.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up whatever still stands and free everything."""
        if self._endpoint:
            await self._endpoint.close()
        if self._ears:
            await self._ears.close()

    async def prepare(self) -> None:
        """Render the lines, load the ears, open the SIP socket.

        Raises:
            VoiceError: If there is no voice.
        """
        voice = Voice.on_this_machine(self.scenario.voice, self._environ)
        self._lines = await voice.render(self.scenario.lines())
        self._ears = await Ears.open(moonshine_folder(models_folder(self._environ)))
        self._endpoint = await SipEndpoint.open(user_agent="switchboard-caller")

    def caller(
        self,
        address: str,
        *,
        tape_path: Path | None = None,
        on_line: Callable[[Line], None] | None = None,
    ) -> Caller:
        """A caller that is ready to dial.

        Args:
            address: ``host:port`` of the SIP side.
            tape_path: Where its own recording goes.
            on_line: Told each thing said.
        """
        assert self._ears and self._endpoint, "prepare first"
        return Caller(
            self._endpoint,
            address,
            self.scenario,
            lines=self._lines,
            ears=self._ears,
            tape_path=tape_path,
            on_line=on_line,
        )

    async def run(
        self, address: str, *, calls: int = 1, tapes_dir: Path | None = None
    ) -> list[CallReport]:
        """Place calls at the same time and wait for all of them."""
        if tapes_dir:
            await asyncio.to_thread(tapes_dir.mkdir, parents=True, exist_ok=True)
        callers = [
            self.caller(
                address,
                tape_path=tapes_dir / f"{self.scenario.name}-{number}.wav" if tapes_dir else None,
            )
            for number in range(1, calls + 1)
        ]
        return list(await asyncio.gather(*(caller.run() for caller in callers)))
