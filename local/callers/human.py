"""A simulated person at a desk phone: registers, lets it ring, answers, listens and talks.

``Human`` takes calls in this process; ``python -m local.callers.human --registrar HOST:PORT`` is
the one at the desk of ``switchboard up``. Its phones come from HUMAN_PHONES, a JSON list of objects
with ``number``, ``user`` and ``password``.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from loguru import logger

from local.callers.actor import Actor
from local.callers.ears import EARS_ENVIRONMENT, Ears
from local.callers.heard_words import Transcriber
from local.callers.phone import Phone
from local.callers.report import CallReport, Finding, Line
from local.callers.scenario import HumanScript, ScenarioError, load_human
from local.callers.voice import Voice, VoiceError
from local.models import models_folder, moonshine_folder
from local.providers.readiness import announce_ready
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from local.sip.registration import Registration

DESK_SCRIPT = Path(__file__).parent / "desk.yaml"
_REFUSALS = {"busy": (486, "Busy Here"), "refuses": (603, "Decline")}
# A real phone registers without a priority, which counts as 1, and is called first.
_STAND_IN_PRIORITY = 0.1


class Human:
    """Takes the calls of one phone by a script; an asynchronous context manager.

    Parameters:
        phone: The line of the last call that was answered; None before.
        reports: What came of each call that is over, in order.
    """

    def __init__(
        self,
        script: HumanScript,
        *,
        lines: Mapping[str, np.ndarray],
        ears: Transcriber,
        registrar: str = "",
        login: Mapping[str, str] | Sequence[Mapping[str, str]] = (),
        stand_in: bool = False,
        tapes_dir: Path | None = None,
        on_line: Callable[[Line], None] | None = None,
    ):
        """Initialize; the phone rings only inside the context.

        Args:
            script: What the person does with a call.
            lines: Audio of everything that will be said, from ``Voice.render``.
            ears: Speech recognition; may be shared.
            registrar: ``host:port`` to register at; empty for a phone that is dialled directly.
            login: ``number``, ``user`` and ``password`` of the phone, as in ``up.json``; or of all
                phones on the desk.
            stand_in: Whether any other phone that registers for one of the numbers goes first.
            tapes_dir: Where recordings go, one a call.
            on_line: Told each thing said.
        """
        self.phone: Phone | None = None
        self.reports: list[CallReport] = []
        self._script, self._lines, self._ears = script, lines, ears
        self._registrar, self._stand_in = registrar, stand_in
        self._logins = [login] if isinstance(login, Mapping) else list(login)
        self._tapes_dir, self._on_line = tapes_dir, on_line
        self._endpoint: SipEndpoint | None = None
        self._registrations: list[Registration] = []
        self._calls = self._asked = 0
        self._reported = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Plug the phone in.

        Raises:
            SipCallError: If the registrar refuses it.
        """
        self._endpoint = await SipEndpoint.open(
            on_invite=self._take, user_agent="switchboard-human"
        )
        try:
            for login in self._logins if self._registrar else ():
                line = Registration(
                    self._endpoint,
                    f"sip:{login['user']}@{self._registrar}",
                    Credentials(login["user"], login["password"]),
                    q=_STAND_IN_PRIORITY if self._stand_in else None,
                )
                self._registrations.append(line)
                await line.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Unregister, hang up, pull the plug."""
        await asyncio.gather(*(line.stop() for line in self._registrations))
        if self._endpoint:
            await self._endpoint.close()

    @property
    def uri(self) -> str:
        """Where to dial it directly."""
        assert self._endpoint is not None, "the phone is not plugged in"
        host, port = self._endpoint.address
        return f"sip:{self._script.number}@{host}:{port}"

    async def report(self, within_secs: float) -> CallReport:
        """The report of the next call that has not been asked for yet.

        Raises:
            TimeoutError: If none is over in time.
        """
        async with asyncio.timeout(within_secs):
            while len(self.reports) <= self._asked:
                self._reported.clear()
                await self._reported.wait()
        self._asked += 1
        return self.reports[self._asked - 1]

    async def verdict(self, within_secs: float) -> CallReport:
        """As ``report``; without a call in time a report that says so and is not passed."""
        try:
            return await self.report(within_secs)
        except TimeoutError:
            finding = Finding(0, False, "nobody was put through to the human")
            return CallReport(self._script.name, findings=[finding])

    async def _take(self, call: SipCall) -> None:
        self._calls += 1
        number, script = self._calls, self._script
        phone = Phone(call, hears_music=script.hears_music)
        actor = Actor(
            phone, script, lines=self._lines, ears=self._ears, who="human", on_line=self._on_line
        )
        tape = self._tapes_dir / f"human-{number}.wav" if self._tapes_dir else None
        try:
            await self._react(call, phone, actor)
        except TimeoutError:
            actor.note(0, False, f"the call took longer than {script.max_secs:g} s")
        except SipCallError as error:
            # The caller hung up while it rang.
            actor.report.end_status = error.status
        finally:
            await phone.hang_up()
        self.reports.append(await actor.finish(tape))
        self._reported.set()

    async def _react(self, call: SipCall, phone: Phone, actor: Actor) -> None:
        if self._stand_in and await self._is_not_needed():
            call.reject(480, "Temporarily Unavailable")
            actor.report.end_status = 480
            return
        call.ringing()
        if self._script.ring_secs:
            await _within(phone, self._script.ring_secs)
        if self._script.reaction == "lets_it_ring":
            await call.wait_ended()
        elif refusal := _REFUSALS.get(self._script.reaction):
            call.reject(*refusal)
        if call.end:
            actor.report.end_status = call.end.status
            return
        await call.answer()
        await phone.answered(1.0)
        self.phone = phone
        actor.report.answer_secs = (phone.answered_at or 0.0) - phone.dialled_at
        async with asyncio.timeout(self._script.max_secs):
            await actor.perform()

    async def _is_not_needed(self) -> bool:
        """Whether a real phone of the desk has registered, if under another of its numbers."""
        return any([await line.others() for line in self._registrations])


async def _within(phone: Phone, secs: float) -> None:
    """Let it ring so long, or until the caller gives up."""
    try:
        await phone.wait_ended(secs)
    except TimeoutError:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Sit at a desk until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.callers.human")
    parser.add_argument("script", type=Path, nargs="?", default=DESK_SCRIPT, help="YAML file")
    parser.add_argument("--registrar", required=True, metavar="HOST:PORT")
    parser.add_argument("--tapes", type=Path, metavar="DIR", help="keep recordings")
    options = parser.parse_args(arguments)
    os.environ.update(EARS_ENVIRONMENT)
    logger.remove()
    logger.add(sys.stderr, level="INFO")
    try:
        logins = json.loads(os.environ.pop("HUMAN_PHONES", ""))
        script = load_human(options.script)
        asyncio.run(_sit(script, logins, options))
    except (ScenarioError, VoiceError, SipCallError) as error:
        print(error, file=sys.stderr)
        return 1
    except (ValueError, KeyError, TypeError):
        print("HUMAN_PHONES must be a JSON list of number, user and password", file=sys.stderr)
        return 2
    return 0


async def _sit(
    script: HumanScript, logins: Sequence[Mapping[str, str]], options: argparse.Namespace
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    lines = await Voice.on_this_machine(script.voice, os.environ).render(script.lines())
    ears = await Ears.open(moonshine_folder(models_folder(os.environ)))
    if options.tapes:
        options.tapes.mkdir(parents=True, exist_ok=True)
    try:
        async with Human(
            script,
            lines=lines,
            ears=ears,
            registrar=options.registrar,
            login=logins,
            stand_in=True,
            tapes_dir=options.tapes,
            on_line=lambda line: logger.debug(f"{line.who}: {line.text}"),
        ):
            logger.info("a simulated human sits at the desk")
            announce_ready(os.environ.get("NOTIFY_SOCKET"))
            await stop.wait()
    finally:
        await ears.close()


if __name__ == "__main__":
    sys.exit(main())
