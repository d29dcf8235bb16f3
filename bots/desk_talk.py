"""The talk with a person at a desk, up to their yes or no."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from bots.briefing import Briefing, header_text
from bots.desk_answer import verdict_of
from bots.desk_ear import DeskEar
from bots.desks import Desk
from bots.phrases import PhraseError
from services.providers import ProviderError
from transports.desk_line import DeskLine
from transports.leg import LegResult
from transports.sip_control import SipControl
from transports.transfer_steps import Asked, Broke, CalledBack, Heard, HumanLeft, TransferEvent

# Somebody who says nothing is spoken to after this long, somebody who does once they stop.
FIRST_SECS = 1.2
QUIET_SECS = 0.6
# People say hello in less; who goes on is a machine.
GREETING_SECS = 7.0
# Words that began before this much of the briefing belong to the hello.
HELLO_SECS = 0.5

Listener = Callable[[TransferEvent], None]


class DeskTalk:
    """Dials a desk, tells the person about the call, and hears what they say to it.

    Parameters:
        line: The desk's own line.
        room: The caller's room.
    """

    def __init__(
        self,
        desk: Desk,
        line: DeskLine,
        briefing: Briefing,
        control: SipControl,
        *,
        room: str,
        call_id: str,
        ear: Callable[[Callable[[str, float], None]], DeskEar],
        now: Callable[[], float] = time.monotonic,
    ):
        """Initialize; nothing is dialled.

        Args:
            desk: Whom to dial.
            line: The line for it.
            briefing: What is said.
            control: Finds the trunk.
            room: The caller's room.
            call_id: Our id of the call, for the headers.
            ear: Makes what hears the person.
            now: A clock in seconds.
        """
        self.line, self.room = line, room
        self._desk, self._briefing, self._control = desk, briefing, control
        self._call_id, self._now = call_id, now
        self._make_ear = ear
        self._ear: DeskEar | None = None
        self._tell: Listener = lambda event: None
        self._summary: asyncio.Task[str] | None = None
        self._sounds: list[asyncio.Task[bytes]] = []
        self._trunk_id = ""
        self._asked_at: float | None = None
        self._resting: asyncio.Task[None] | None = None

    def listen(self, tell: Listener) -> None:
        """Send what happens at the desk to ``tell``."""
        self._tell = tell
        self.line.on_key = self._on_key
        self.line.on_left = lambda: tell(HumanLeft())

    def prepare(self, messages: Sequence[Any], reason: str, caller: str, *, briefed: bool) -> None:
        """Begin to write the summary and, for a person who is told, to speak it."""
        self._summary = asyncio.create_task(self._briefing.summary(messages, reason))
        if briefed:
            told, words = self._briefing, self._briefing.words
            texts = (told.intro, told.number(caller), words.question, words.again)
            spoken = [asyncio.create_task(self._sound(text)) for text in texts]
            self._sounds = [*spoken[:2], asyncio.create_task(self._told()), *spoken[2:]]

    async def headers(self) -> Mapping[str, str]:
        """What goes with a phone that is sent on: the call's id and its summary."""
        assert self._summary
        summary = header_text(await self._summary)
        headers = {"X-Switchboard-Call-Id": self._call_id, "X-Switchboard-Summary": summary}
        return {name: value for name, value in headers.items() if value}

    async def dial(self, number: str) -> LegResult:
        """Ring a number of the desk.

        Raises:
            LineError: If LiveKit or the trunk cannot be had.
        """
        if not self._trunk_id:
            trunk, _ = await asyncio.gather(
                self._control.find_trunk(self._desk.trunk), self.line.open()
            )
            self._trunk_id = trunk.trunk_id
        return await self.line.dial(
            number,
            self._trunk_id,
            ring_secs=float(self._desk.ring_secs),
            caller_id=self._desk.caller_id,
            headers={"X-Switchboard-Call-Id": self._call_id},
        )

    async def brief(self) -> None:
        """Let the person say hello, tell them about the call, ask; ends in ``Asked``."""
        await self._listen()
        assert self._ear
        try:
            async with asyncio.timeout(GREETING_SECS):
                await self._ear.greeting_is_over(first_secs=FIRST_SECS, quiet_secs=QUIET_SECS)
        except TimeoutError:
            self._tell(Heard("machine"))
            return
        self._asked_at = self._now()
        await self._say(self._sounds[:4])

    async def ask_again(self) -> None:
        """Repeat the question; ends in ``Asked``."""
        await self._say(self._sounds[4:])

    async def hang_up(self) -> None:
        """End the person's leg and stop listening."""
        await self._stop_listening()
        await self.line.hang_up()

    def rest(self) -> None:
        """Stop speaking and listening: the person talks to the caller now. Returns at once."""
        if self._resting is None:
            self._resting = asyncio.create_task(self._rest())

    async def close(self) -> None:
        """End everything; safe to call twice."""
        # The phone first: what is being thought or spoken may take its time to end.
        await self.line.close()
        self.rest()
        assert self._resting
        await self._resting

    async def _rest(self) -> None:
        tasks: set[asyncio.Task[Any]] = {*self._sounds, *([self._summary] if self._summary else [])}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stop_listening()

    async def _say(self, sounds: Sequence[asyncio.Task[bytes]]) -> None:
        try:
            for sound in sounds:
                await self.line.say(await asyncio.shield(sound))
        except PhraseError as error:
            logger.error(f"The person cannot be told about the call: {error}")
            self._tell(Broke("the briefing cannot be spoken"))
        else:
            self._tell(Asked())

    async def _told(self) -> bytes:
        assert self._summary
        summary = await self._summary
        return await self._sound(summary) if summary else b""

    async def _sound(self, text: str) -> bytes:
        return await self._briefing.sound(text, self.line.out_rate_hz)

    async def _listen(self) -> None:
        await self._stop_listening()
        self._asked_at = None
        try:
            self._ear = self._make_ear(self._on_words)
        except ProviderError as error:  # keys still work
            logger.error(f"The desk is not heard: {error}")
            raise
        await self._ear.start()
        self.line.on_audio = self._ear.hear

    async def _stop_listening(self) -> None:
        ear, self._ear = self._ear, None
        if ear:
            await ear.stop()

    def _on_words(self, text: str, began_at: float) -> None:
        verdict = verdict_of(text)
        if verdict is None:
            return
        # "Yes, hello?" on lifting the phone is no answer to a question that was not asked yet.
        is_hello = self._asked_at is None or began_at < self._asked_at + HELLO_SECS
        if verdict == "machine" or not is_hello:
            self._tell(Heard(verdict))

    def _on_key(self, key: str) -> None:
        match key:
            case "1":
                self._tell(Heard("accept"))
            case "2":
                self._tell(Heard("decline"))
            case "*":
                self._tell(CalledBack())
