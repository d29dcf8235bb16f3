"""The outside world and the server, started together and stopped together."""

import asyncio
import fcntl
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

from local.check import port_remedy
from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from local.models import missing, models_folder
from local.stack.child import Child, StackError
from local.stack.phones import phones_of_this_run
from local.stack.plan import (
    LiveKitAccess,
    child_commands,
    child_environments,
)
from local.stack.ports import HOST, Ports

_READY_SECS = 60.0
_GRACE_SECS = 6.5
_WORLD = ("exchange", "providers")


@dataclass(frozen=True)
class StackConfig:
    """What to start, and where.

    Parameters:
        environ: What the children inherit.
        ports: Where they listen; ``Ports.free()`` in tests.
        data_dir: Database, recordings, logs and ``up.json``.
        livekit: A LiveKit to use; None starts the exchange.
        realistic: The exchange adds the delays measured on a real LiveKit.
        openai_url: An OpenAI-compatible server that answers in place of the rules.
        settings: Further variables of the server, e.g. ``SWITCHBOARD_MAX_CALLS``.
        human: A simulated person sits at the desk while no phone has registered for it.
    """

    environ: Mapping[str, str]
    ports: Ports = field(default_factory=Ports)
    data_dir: Path = Path(".switchboard")
    livekit: LiveKitAccess | None = None
    realistic: bool = False
    openai_url: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    human: bool = False


@dataclass(frozen=True)
class StackAddress:
    """How to reach a running stack; the content of ``up.json``.

    Parameters:
        sip: ``host:port`` for phones, UDP; None with a LiveKit whose SIP address is not known.
        api: Base URL of the HTTP API.
        api_key: Its bearer key.
        livekit: LiveKit's URL.
        providers: Base URL of the local providers, for their control API.
        phones: Who may register at the SIP address: number, user and password; none with a LiveKit
            that is not the exchange.
    """

    sip: str | None
    api: str
    api_key: str = field(repr=False)
    livekit: str
    providers: str
    phones: list[dict[str, str]] = field(default_factory=list, repr=False)

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.__dict__)


class Stack:
    """Exchange, providers and server as three processes; an asynchronous context manager.

    The world starts first, in parallel, then the server; all end with this process, whatever ends
    it. ``up.json`` is there exactly while calls can be taken.
    """

    def __init__(
        self,
        config: StackConfig,
        *,
        on_progress: Callable[[str], None] | None = None,
        on_line: Callable[[str, str], None] | None = None,
        ready_secs: float = _READY_SECS,
    ):
        """Initialize a stack; nothing runs yet.

        Args:
            config: What to start.
            on_progress: Told each milestone as a sentence.
            on_line: Told the child's name and each line it prints.
            ready_secs: How long each process may take.
        """
        self._config, self._on_line, self._ready_secs = config, on_line, ready_secs
        self._progress = on_progress or (lambda _: None)
        self._lock: IO[str] | None = None
        self.children: dict[str, Child] = {}
        self.address = self._address()
        self.livekit = config.livekit or LiveKitAccess.for_this_run(self.address.livekit)

    async def __aenter__(self) -> Self:
        """Start everything; see ``start``."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End calls politely and stop everything."""
        await self.stop()

    async def start(self) -> None:
        """Start the processes and wait until calls can be taken.

        Raises:
            StackError: With what is in the way and what to do about it.
        """
        self._config.data_dir.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._check_machine()
        began = time.monotonic()
        self.children = await asyncio.to_thread(self._plan)
        # The server connects to the others as it starts, and keeps the bots' greetings as audio;
        # the human registers at the exchange.
        world = [child for name, child in self.children.items() if name in _WORLD]
        rest = [child for name, child in self.children.items() if name not in _WORLD]
        for children in (world, rest):
            await asyncio.gather(*(child.start() for child in children))
            await self._all_ready(children)
        self._write_up_file()
        self._progress(f"up after {time.monotonic() - began:.1f} s")

    async def died(self) -> StackError:
        """Wait for a process that ends on its own; the error that tells of it."""
        waits = {asyncio.create_task(child.wait()): child for child in self.children.values()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[done.pop()].died()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def stop(self, grace_secs: float = _GRACE_SECS) -> None:
        """The server first, for it says goodbye to callers; then the world around it.

        Args:
            grace_secs: What the server gets; the others half of it. Then they are killed.
        """
        self._up_file.unlink(missing_ok=True)
        try:
            if server := self.children.get("server"):
                await server.stop(grace_secs)
            await asyncio.gather(*(c.stop(grace_secs / 2) for c in self.children.values()))
        finally:
            self.kill()
            if self._lock:
                self._lock.close()
                self._lock = None

    def kill(self) -> None:
        """End everything at once."""
        self._up_file.unlink(missing_ok=True)
        for child in self.children.values():
            if child.exit_code is None:
                child.kill()

    @property
    def logs_dir(self) -> Path:
        """Where each process's output lies."""
        return self._config.data_dir / "logs"

    @property
    def _up_file(self) -> Path:
        return self._config.data_dir / "up.json"

    def _address(self) -> StackAddress:
        ports, livekit = self._config.ports, self._config.livekit
        return StackAddress(
            sip=livekit.sip if livekit else f"{HOST}:{ports.sip}",
            api=f"http://{HOST}:{ports.api}",
            api_key=secrets.token_urlsafe(24),
            livekit=livekit.url if livekit else f"ws://{HOST}:{ports.livekit}",
            providers=f"http://{HOST}:{ports.providers}",
            phones=[] if livekit else [asdict(phone) for phone in phones_of_this_run()],
        )

    def _plan(self) -> dict[str, Child]:
        config = self._config
        commands = child_commands(
            config.ports,
            realistic=config.realistic,
            rules_dir=Path(config.environ.get("SWITCHBOARD_FLOWS") or "flows"),
            openai_url=config.openai_url,
        )
        if config.livekit:
            del commands["exchange"]
        if config.livekit or not config.human:
            del commands["human"]
        environments = child_environments(
            config.environ,
            config.ports,
            self.livekit,
            self.address.api_key,
            config.data_dir,
            phones=self.address.phones,
        )
        environments["server"] |= config.settings
        self.logs_dir.mkdir(parents=True, exist_ok=True)
        children: dict[str, Child] = {}
        for name, command in commands.items():
            log_path = self.logs_dir / f"{name}.log"
            log_path.write_text("")
            children[name] = Child(
                name,
                [sys.executable, *command],
                environment=environments[name],
                log_path=log_path,
                on_line=self._on_line,
                # To the server SIGTERM means: let running calls finish.
                stop_signal=signal.SIGINT if name == "server" else signal.SIGTERM,
            )
        return children

    async def _all_ready(self, children: Sequence[Child]) -> None:
        waits = [asyncio.create_task(self._ready(child)) for child in children]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _ready(self, child: Child) -> None:
        await child.ready(self._ready_secs)
        self._progress(f"{child.name} ready in {child.ready_secs:.1f} s")

    def _check_machine(self) -> None:
        """What would fail later, and less clearly."""
        if only_loopback():
            raise StackError("no_interface", "LiveKit's SDK cannot connect.", ONLY_LOOPBACK_REMEDY)
        folder = models_folder(self._config.environ)
        if absent := missing(folder):
            raise StackError(
                "model_missing",
                f"{len(absent)} model files are missing or damaged in {folder}.",
                "Run python -m local.models (or make models).",
            )
        without = ("sip", "livekit", "media") if self._config.livekit else ()
        if taken := self._config.ports.in_use(without=without):
            raise StackError(
                "port_in_use",
                "; ".join(f"port {number} for {what} is in use" for _, number, what in taken) + ".",
                f"To go on, {port_remedy(taken[0][0])}.",
            )

    def _take_lock(self) -> None:
        """One stack a data folder; the kernel frees the lock of a stack that was killed."""
        path = self._config.data_dir / "up.lock"
        self._lock = path.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            self._lock = None
            raise StackError(
                "already_up",
                f"A switchboard is already up in {self._config.data_dir}.",
                f"Its addresses are in {self._up_file}; stop it with Ctrl-C, or set "
                "SWITCHBOARD_DATA to another folder.",
            ) from error
        if self._up_file.exists():
            self._progress(f"{self._up_file} was left by a switchboard that was killed: removed")
            self._up_file.unlink()

    def _write_up_file(self) -> None:
        """Whole or not at all, and for this user alone: it holds the key."""
        number, part = tempfile.mkstemp(dir=self._config.data_dir, prefix="up-", suffix=".part")
        with os.fdopen(number, "w") as file:
            file.write(self.address.as_json() + "\n")
        Path(part).replace(self._up_file)
