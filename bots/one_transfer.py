"""One transfer, from the wish to its end."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from loguru import logger

from bots.desk_talk import DeskTalk
from bots.desks import Desk
from bots.ending import Ending
from bots.transfer_surroundings import Surroundings
from flows.call_resources import TransferReport
from records.outcomes import Outcome
from records.transfer_events import (
    CallBridged,
    DeskAnswered,
    DeskDialled,
    DeskFailed,
    TransferEnded,
    TransferStarted,
)
from transports.leg import LegResult
from transports.line_error import LineError
from transports.transfer import Transfer
from transports.transfer_steps import (
    Announce,
    Announced,
    AskAgain,
    Bridge,
    Brief,
    Broke,
    CalledBack,
    CallerLeft,
    CancelDial,
    Dial,
    Dialled,
    EndCall,
    HangUpHuman,
    Note,
    PlayHold,
    Refer,
    Referred,
    Return,
    TimeUp,
    TransferAction,
    TransferEvent,
    TransferPlan,
    Unbridge,
)

DUE = 0.001


class OneTransfer:
    """Carries out one transfer: the state machine decides; this sends, plays and listens.

    Parameters:
        returned: What the bot has to know, once both talk or the caller is the bot's again.
        talking: Whether caller and person hear each other now.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        desk: Desk,
        reason: str,
        talk: DeskTalk,
        *,
        excuse: Callable[[str], str],
    ):
        """Initialize; nothing is dialled.

        Args:
            surroundings: The call.
            desk: To whom.
            reason: Why, in the words of who asked for it.
            talk: The line to the desk.
            excuse: The sentence to a caller whom nobody takes over, by outcome.
        """
        self._s, self._desk, self._reason = surroundings, desk, reason
        self._talk, self._excuse = talk, excuse
        self.talking = False
        cold = desk.mode == "cold" and surroundings.can_refer
        numbers = desk.numbers if cold else [n for n in desk.numbers if n.startswith("+")]
        mode = "cold" if cold else "warm"
        plan = TransferPlan(mode, tuple(numbers), ring_secs=desk.ring_secs)
        self._machine = Transfer(plan)
        self._events: asyncio.Queue[TransferEvent] = asyncio.Queue()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended = False
        self._achieved_before: Outcome | None = None
        self.returned: asyncio.Future[TransferReport] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Go on until it is over; the caller's line and the desk's are put in order whatever."""
        s, machine = self._s, self._machine
        keypad = s.conversation.keypad
        take_back = [
            keypad.on_key("*", self._call_back, interrupts=False),
            keypad.on_key("0", _nothing, interrupts=False),
        ]
        s.log.add(
            TransferStarted, desk=self._desk.name, mode=machine.plan.mode, reason=self._reason
        )
        logger.info(f"Transfer to {self._desk.name}, {machine.plan.mode}")
        self._talk.listen(self._events.put_nowait)
        self._spawn("gate", self._watch_gate())
        try:
            briefed = machine.plan.mode == "warm"
            self._talk.prepare(s.messages(), self._reason, s.call.number, briefed=briefed)
            await self._carry_out(machine.begin(s.now()))
            while machine.phase != "over":
                event = await self._next_event()
                await self._carry_out(machine.take(event, s.now()))
        finally:
            for give_back in take_back:
                give_back()
            await self._clean_up()

    async def _next_event(self) -> TransferEvent:
        deadline = self._machine.deadline
        if deadline is None:
            return await self._events.get()
        try:
            async with asyncio.timeout(max(DUE, deadline - self._s.now())):
                return await self._events.get()
        except TimeoutError:
            return TimeUp()

    async def _carry_out(self, actions: Sequence[TransferAction]) -> None:
        if self._machine.result and not self._ended:
            self._note_end()
        for action in actions:
            await self._do(action)

    async def _do(self, action: TransferAction) -> None:
        s = self._s
        match action:
            case Announce():
                self._spawn("announce", self._announce())
            case PlayHold():
                s.hold.play()
            case Dial(number):
                s.log.add(DeskDialled, number=number)
                self._spawn("dial", self._dial(number))
            case CancelDial():
                await self._stop("dial")
            case Brief():
                s.log.add(DeskAnswered)
                self._spawn("brief", self._talk.brief())
            case AskAgain():
                self._spawn("brief", self._talk.ask_again())
            case Note(outcome, code, status):
                s.log.add(DeskFailed, outcome=outcome, sip_code=code, sip_status=status)
            case HangUpHuman():
                await self._stop("brief")
                await self._talk.hang_up()
            case Bridge():
                await self._bridge()
            case Unbridge():
                self.talking = False
                await s.hold.part()
            case Refer(number):
                s.log.add(DeskDialled, number=number)
                self._spawn("refer", self._refer(number))
            case Return():
                await self._return()
            case EndCall():
                s.gate.close(Ending("transferred", f"desk:{self._desk.name}"))

    async def _announce(self) -> None:
        conversation = self._s.conversation
        sentence = self._s.words.announce.format(desk=self._desk.title)
        await self._s.hold.announce(lambda: conversation.speaker.say(sentence, to_the_end=True))
        self._events.put_nowait(Announced())

    async def _dial(self, number: str) -> None:
        try:
            result = await self._talk.dial(number)
        except LineError as error:
            logger.error(f"The desk cannot be dialled: {error.message}")
            self._events.put_nowait(Broke(f"{error.code}: {error.message}"))
        else:
            self._events.put_nowait(Dialled(result))

    async def _refer(self, number: str) -> None:
        to = number if number.startswith("sip") else f"tel:{number}"
        headers = await self._talk.headers()
        result: LegResult = await self._s.control.refer(
            self._talk.room,
            self._s.call.identity,
            to,
            headers=headers,
            ring_secs=self._desk.ring_secs,
        )
        self._events.put_nowait(Referred(result))

    async def _bridge(self) -> None:
        s = self._s
        await self._stop("announce")
        await self._stop("brief")
        self.talking = True
        s.log.add(CallBridged)
        self._achieved_before, s.gate.achieved = s.gate.achieved, "transferred"
        self.returned.set_result(TransferReport("connected"))
        await s.hold.join(self._talk)
        self._talk.rest()
        logger.info(f"The caller talks to {self._desk.name}")

    async def _return(self) -> None:
        s, result = self._s, self._machine.result
        assert result
        if announcing := self._tasks.get("announce"):
            # Words of two sentences that wait for the voice together would be mixed.
            await s.gate.first(asyncio.wait({announcing}))
        await self._stop("announce")
        if self._machine.bridged:
            s.gate.achieved = self._achieved_before
        await s.hold.release()
        sentence = s.words.back if result.called_back else self._excuse(result.outcome)
        await s.conversation.speaker.say(sentence)
        if not self.returned.done():
            self.returned.set_result(TransferReport(result.outcome))

    async def _call_back(self) -> None:
        self._events.put_nowait(CalledBack())

    async def _watch_gate(self) -> None:
        await self._s.gate.wait()
        self._events.put_nowait(CallerLeft())

    def _note_end(self) -> None:
        result = self._machine.result
        assert result
        self._ended = True
        if self._machine.plan.mode == "cold" and result.outcome == "answered":
            self._s.gate.achieved = "transferred"
        self._s.log.add(
            TransferEnded,
            outcome=result.outcome,
            sip_code=result.sip_code,
            sip_status=result.sip_status,
            called_back=result.called_back,
        )
        logger.info(f"Transfer to {self._desk.name} over: {result.outcome}")

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.create_task(work, name=f"transfer_{name}")
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            logger.opt(exception=error).error("A part of the transfer failed")
            self._events.put_nowait(Broke(type(error).__name__))

    async def _stop(self, name: str) -> None:
        if task := self._tasks.pop(name, None):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _clean_up(self) -> None:
        s = self._s
        try:
            for name in list(self._tasks):
                await self._stop(name)
            await self._talk.close()
        finally:
            self.talking = False
            await s.hold.release()
            if not self._ended:
                s.log.add(TransferEnded, outcome="failed", sip_status="cancelled")
            if not self.returned.done():
                self.returned.set_result(TransferReport("caller_gone"))


async def _nothing() -> None:
    """Key 0 while the desk is being tried already."""
