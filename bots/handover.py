"""Hands the caller of one call to a person, and takes them back if nobody comes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from loguru import logger

from bots.bot import Bot
from bots.desk_talk import DeskTalk
from bots.desk_words import offer_of
from bots.desks import Desk, Desks
from bots.one_transfer import OneTransfer
from bots.transfer_surroundings import Surroundings
from flows.call_resources import TransferReport

CLOSE_SECS = 6.0
ZERO = "the caller pressed 0"


class Handover:
    """Chooses the desk and carries out transfers, one at a time, for one call.

    What is under way ends with the call: close it before the conversation.
    """

    def __init__(
        self,
        bot: Bot,
        desks: Desks,
        surroundings: Surroundings,
        talk: Callable[[Desk], DeskTalk],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ):
        """Initialize; nothing is dialled and no key has a meaning yet.

        Args:
            bot: Who hands over.
            desks: To whom.
            surroundings: The call.
            talk: Makes the line to a desk.
            clock: The time of day, with time zone.
        """
        self._bot, self._desks, self._s = bot, desks, surroundings
        self._make_talk, self._clock = talk, clock
        self._words = surroundings.words
        self._one: OneTransfer | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def talking(self) -> bool:
        """Whether a person and the caller hear each other now."""
        return self._one is not None and self._one.talking

    def arm(self) -> None:
        """Give key 0 its meaning, where the bot wants it to have one."""
        escalation = self._bot.config.escalation
        if escalation and "key_0" in escalation.on:
            self._s.conversation.keypad.on_key("0", self._on_zero)

    async def transfer(self, wanted: str, reason: str) -> TransferReport:
        """Hand the caller to a desk; "" is the bot's own choice.

        Returns:
            When both talk, or when the caller is the bot's again and was told so.
        """
        names = [wanted] if wanted in self._desks.by_name else self._own_desks()
        desk, is_open = self._desks.choose(names, self._clock())
        if desk is None or self._s.gate.ending:
            return TransferReport("impossible", spoken=False)
        if self._running and not self._running.done():
            return TransferReport("failed", spoken=False)
        if not is_open:
            closed = desk.after_hours.say if desk.after_hours else self._words.closed
            offer = self._words.offers[offer_of(self._bot.tools)]
            await self._s.conversation.speaker.say(f"{closed} {offer}")
            return TransferReport("closed")
        chosen = desk
        self._one = OneTransfer(
            self._s,
            chosen,
            reason,
            self._make_talk(chosen),
            excuse=lambda outcome: self._excuse(outcome, chosen),
        )
        self._running = asyncio.create_task(self._one.run(), name="transfer")
        return await asyncio.shield(self._one.returned)

    async def until_back(self) -> None:
        """Wait until nobody but the bot talks to the caller."""
        if self._running:
            await asyncio.wait({self._running})

    async def close(self) -> None:
        """End what is under way; every leg that was dialled is hung up."""
        running = self._running
        if running and not running.done():
            await asyncio.wait({running}, timeout=CLOSE_SECS)
            if not running.done():
                logger.warning("The transfer does not end: cancelling it")
                running.cancel()
                await asyncio.wait({running}, timeout=CLOSE_SECS)
        await self._s.control.aclose()

    async def _on_zero(self) -> None:
        report = await self.transfer("", ZERO)
        if not report.spoken:
            offer = offer_of(self._bot.tools)
            await self._s.conversation.speaker.say(self._words.failed("failed", offer, None))

    def _own_desks(self) -> Sequence[str]:
        escalation = self._bot.config.escalation
        return escalation.to if escalation else tuple(self._desks.by_name)

    def _excuse(self, outcome: str, failed: Desk) -> str:
        others = [name for name in self._own_desks() if name != failed.name]
        other, is_open = self._desks.choose(others, self._clock())
        return self._words.failed(outcome, offer_of(self._bot.tools), other if is_open else None)
