"""A call without sound in which transfers happen: what is said, held, dialled and noted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from bots.desk_words import ENGLISH_CALLER
from bots.desks import Desk, Desks
from bots.ending import EndingGate
from bots.handover import Handover
from bots.transfer_surroundings import Surroundings
from records.call_record import CallRecord
from records.event import Event
from records.log import EventLog
from transports.call_info import CallInfo
from transports.leg import LegResult
from transports.line_error import LineError
from transports.transfer_steps import Asked, Heard, HumanLeft, TransferEvent

ANSWERED = LegResult("answered", 200)


class FakeSpeaker:
    """Keeps what was said to the caller."""

    def __init__(self):
        self.said: list[str] = []

    async def say(self, text: str, **_: Any) -> None:
        self.said.append(text)


class FakeKeypad:
    """Keeps what each key does; the latest registration counts."""

    def __init__(self):
        self.actions: dict[str, list[Callable[[], Awaitable[None]]]] = {}

    def on_key(self, key: str, action: Callable[[], Awaitable[None]], **_: Any):
        actions = self.actions.setdefault(key, [])
        actions.append(action)
        return lambda: actions.remove(action)

    async def press(self, key: str) -> None:
        """The caller presses a key."""
        if actions := self.actions.get(key):
            await actions[-1]()


class FakeHold:
    """Keeps what was done to the caller's line."""

    def __init__(self):
        self.done: list[str] = []

    async def announce(self, say: Callable[[], Awaitable[None]]) -> None:
        self.done.append("announce")
        await say()

    def play(self) -> None:
        self.done.append("music")

    async def join(self, talk: object) -> None:
        self.done.append("join")

    async def part(self) -> None:
        self.done.append("part")

    async def release(self) -> None:
        if self.done[-1] != "release":
            self.done.append("release")


class FakeTalk:
    """A desk: each dial gives the next of ``results``, each briefing the next of ``answers``."""

    room = "room"

    def __init__(self, results: list[Any], answers: list[TransferEvent | None]):
        self.results, self.answers = results, answers
        self.done: list[str] = []
        self.rests = False
        self.tell: Callable[[TransferEvent], None] = lambda event: None

    def listen(self, tell: Callable[[TransferEvent], None]) -> None:
        self.tell = tell

    def prepare(self, messages: Any, reason: str, caller: str, *, briefed: bool) -> None:
        self.done.append(f"prepare {reason}")

    async def headers(self) -> dict[str, str]:
        return {"X-Switchboard-Call-Id": "c1"}

    async def dial(self, number: str) -> LegResult:
        self.done.append(f"dial {number}")
        result = self.results.pop(0) if self.results else None
        if isinstance(result, LineError):
            raise result
        if result:
            return result
        try:
            await asyncio.Event().wait()
        finally:
            self.done.append("cancelled")
        raise AssertionError("rang for ever")

    async def brief(self) -> None:
        self.done.append("brief")
        self._answer()

    async def ask_again(self) -> None:
        self.done.append("ask again")
        self._answer()

    async def hang_up(self) -> None:
        self.done.append("hang up")

    def rest(self) -> None:
        self.rests = True

    async def close(self) -> None:
        self.done.append("close")

    def accepts(self) -> None:
        self.tell(Heard("accept"))

    def leaves(self) -> None:
        self.tell(HumanLeft())

    def _answer(self) -> None:
        answer = self.answers.pop(0) if self.answers else None
        self.tell(answer or Asked())


class FakeControl:
    """Refers the caller's phone; each time the next of ``results``."""

    def __init__(self, results: list[LegResult]):
        self.results = results
        self.referred: list[tuple[str, dict[str, str]]] = []

    async def refer(self, room: str, identity: str, to: str, *, headers, ring_secs) -> LegResult:
        self.referred.append((to, dict(headers)))
        return self.results.pop(0)

    async def aclose(self) -> None:
        pass


class FakeCall:
    """One call whose bot may hand over; every clock stands still unless moved."""

    def __init__(
        self,
        *desks: Desk,
        results: list[Any] | None = None,
        answers: list[Any] | None = None,
        refers: list[LegResult] | None = None,
        tools: frozenset[str] = frozenset({"take_message"}),
        can_refer: bool = True,
    ):
        self.gate, self.events = EndingGate(), list[Event]()
        self.talk = FakeTalk(results or [], answers or [])
        self.hold, self.control = FakeHold(), FakeControl(refers or [])
        self.speaker, self.keypad = FakeSpeaker(), FakeKeypad()
        self.secs = 0.0
        escalation = SimpleNamespace(to=tuple(desk.name for desk in desks), on=("key_0",))
        config = SimpleNamespace(escalation=escalation, language="en-US")
        conversation = SimpleNamespace(
            speaker=self.speaker, keypad=self.keypad, pipeline=SimpleNamespace(context=None)
        )
        surroundings = Surroundings(
            conversation=conversation,  # type: ignore[arg-type]
            call=CallInfo("sip_caller", "+15550123"),
            gate=self.gate,
            log=EventLog("c1", self.events.append),
            control=self.control,  # type: ignore[arg-type]
            hold=self.hold,  # type: ignore[arg-type]
            words=ENGLISH_CALLER,
            now=lambda: self.secs,
            can_refer=can_refer,
        )
        self.handover = Handover(
            SimpleNamespace(config=config, tools=tools),  # type: ignore[arg-type]
            Desks({desk.name: desk for desk in desks}),
            surroundings,
            lambda desk: self.talk,  # type: ignore[arg-type,return-value]
            clock=lambda: datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        )
        self.handover.arm()

    @property
    def record(self) -> CallRecord:
        """What is known by now."""
        return CallRecord.fold(self.events)

    async def over(self) -> None:
        """Wait until no transfer runs."""
        async with asyncio.timeout(3):
            await self.handover.until_back()
