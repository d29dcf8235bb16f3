"""How fast a call is answered and greeted, and how fast a caller is heard and answered."""

import asyncio
import time

from local.bench.figures import Figure
from local.bench.line import RECEPTIONIST, Line
from local.callers.phone import Phone
from local.callers.scenario import Scenario
from local.callers.simulation import Simulation
from records.events import Answered, AnyEvent

_ANSWER_SECS = 15.0
_GREETING_SECS = 10.0


async def measure_answering(line: Line, *, calls: int = 8) -> list[Figure]:
    """Dial the receptionist, hear its greeting, hang up; again and again."""
    answers: list[float] = []
    from_active: list[float] = []
    from_answer: list[float] = []
    for number in range(calls):
        active = _ActiveTimes(line)
        await active.ready.wait()
        phone = Phone.dial(line.endpoint, line.uri(RECEPTIONIST), caller=f"+1555100{number:04}")
        try:
            await phone.answered(_ANSWER_SECS)
            assert phone.answered_at is not None
            began = await phone.bot_speaks(since=0.0, for_secs=0.2, within_secs=_GREETING_SECS)
            answers.append(1000 * (phone.answered_at - phone.dialled_at))
            from_answer.append(1000 * (began - phone.answered_at))
            from_active.append(1000 * (began - await active.at()))
        finally:
            await phone.hang_up()
            await active.close()
    return [
        Figure("INVITE → 200, warm pool", "ms", answers, 400),
        Figure("active → greeting heard on the phone", "ms", from_active, 200),
        Figure("200 → greeting heard on the phone", "ms", from_answer),
    ]


async def measure_conversation(
    line: Line, scenario: Scenario, simulation: Simulation, *, calls: int = 3
) -> list[Figure]:
    """The demo's conversation, on the caller's own tape, beside what the pipeline traced."""
    heard: list[float] = []
    silences: list[float] = []
    traced: list[float] = []
    failed = 0
    for _ in range(calls):
        sip = line.stack.address.sip
        assert sip
        async with simulation.human(sip, line.stack.address.phones):
            report = await simulation.caller(sip).run()
        failed += not report.passed
        if report.tape:
            heard += [turn.heard_secs for turn in report.tape.turns]
            silences += [1000 * one.secs for one in report.tape.interruptions]
        record = (await line.api.calls_from(scenario.caller))[0]
        turns = record["turns"]
        traced += [_total(turn["latency"]) for turn in turns if turn["latency"]]
    note = f"{failed} of {calls} calls did not go as the scenario wants" if failed else ""
    return [
        Figure("demo, heard latency, median", "s", heard, 0.60, note=note),
        Figure("demo, heard latency, p95", "s", heard, 1.2, "p95"),
        Figure("demo, traced latency", "s", traced),
        Figure("demo, interruption → bot silent", "ms", silences),
    ]


def _total(latency: dict[str, float]) -> float:
    return sum(secs for stage, secs in latency.items() if stage != "leading_silence")


class _ActiveTimes:
    """Listens to the server's events for the moment a call became active."""

    def __init__(self, line: Line):
        self.ready = asyncio.Event()
        self._answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._listen(line))

    async def at(self) -> float:
        """Monotonic time of ``sip.callStatus`` = ``active``."""
        async with asyncio.timeout(5):
            return await self._answered

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self, line: Line) -> None:
        async for event in line.api.events(self.ready):
            self._take(event)

    def _take(self, event: AnyEvent) -> None:
        if isinstance(event, Answered) and not self._answered.done():
            # The event carries the wall clock, the phone the monotonic one: same machine.
            self._answered.set_result(event.at.timestamp() - time.time() + time.monotonic())
