"""Prepares and runs simulated callers: voice and ears first, then the calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import numpy as np

from local.callers.caller import Caller
from local.callers.ears import Ears
from local.callers.human import Human
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
        self._human_lines: dict[str, np.ndarray] = {}
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
        scripts = [self.scenario, *([self.scenario.human] if self.scenario.human else [])]
        rendered = [
            await Voice.on_this_machine(script.voice, self._environ).render(script.lines())
            for script in scripts
        ]
        self._lines, self._human_lines = rendered[0], rendered[-1]
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

    @asynccontextmanager
    async def human(
        self,
        address: str,
        phones: Sequence[Mapping[str, str]],
        *,
        tapes_dir: Path | None = None,
        on_line: Callable[[Line], None] | None = None,
    ) -> AsyncIterator[Human | None]:
        """The scenario's person at the desk, with a registered phone; None if it names nobody.

        Args:
            address: ``host:port`` of the SIP side.
            phones: Logins of the phones that may register, as in ``up.json``.
            tapes_dir: Where recordings go.
            on_line: Told each thing said.

        Raises:
            ValueError: If the person's phone is none of ``phones``.
            SipCallError: If the registrar refuses it.
        """
        assert self._ears, "prepare first"
        script = self.scenario.human
        if script is None:
            yield None
            return
        login = next((phone for phone in phones if phone["number"] == script.number), None)
        if login is None:
            raise ValueError(f"no phone {script.number} may register at {address}")
        async with Human(
            script,
            lines=self._human_lines,
            ears=self._ears,
            registrar=address,
            login=login,
            tapes_dir=tapes_dir,
            on_line=on_line,
        ) as human:
            yield human

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
