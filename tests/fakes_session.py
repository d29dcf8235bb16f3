"""A call without a line: a fake room, the phone in it, and the events of the call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc

from bots.bot import Bot, Bots
from bots.job import CallJob
from bots.session import run_call
from records.events import Event
from records.log import EventLog
from services.phrases import PhraseStore
from services.providers import Providers
from tests.fakes_room import FakeParticipant, FakeRoom, until

RINGING = {
    "sip.phoneNumber": "+15550123",
    "sip.trunkPhoneNumber": "+15550100",
    "sip.callID": "SCL_1",
    "sip.trunkID": "ST_1",
    "sip.callStatus": "ringing",
}


class FakePhone:
    """The caller's end of a fake room, and what the call did."""

    def __init__(self, dialled: str = "+15550100"):
        self.caller = FakeParticipant("sip_caller", **{**RINGING, "sip.trunkPhoneNumber": dialled})
        self.events: list[Event] = []
        self.commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.running: asyncio.Task[None] | None = None
        FakeRoom.present = [self.caller]

    @property
    def room(self) -> FakeRoom:
        return FakeRoom.instances[-1]

    @property
    def kinds(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def ending(self) -> tuple[str, str]:
        """Outcome and reason; there is always exactly one end, and it comes last."""
        ends = [e for e in self.events if e.type == "call_ended"]
        assert len(ends) == 1 and self.events[-1] is ends[0], self.kinds
        return ends[0].outcome, ends[0].reason

    def of(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    async def happened(self, kind: str, secs: float = 5.0) -> Any:
        """Waits for the first event of a kind."""
        await until(lambda: self.of(kind) or (self.running and self.running.done()), secs)
        assert self.of(kind), f"the call ended without {kind}: {self.kinds}"
        return self.of(kind)[0]

    async def answered(self) -> None:
        """Lets the bot's published track answer the phone, as the SIP bridge does."""
        await until(lambda: FakeRoom.instances and self.room.local_participant.tracks, 5.0)
        self.room.change(self.caller, **{"sip.callStatus": "active"})
        await self.happened("answered")

    def hang_up(self) -> None:
        self.room.leave(self.caller, rtc.DisconnectReason.CLIENT_INITIATED)

    async def over(self, secs: float = 8.0) -> None:
        """Waits until the call process would be done."""
        assert self.running
        async with asyncio.timeout(secs):
            await self.running


class KeptPhrases(PhraseStore):
    """Every phrase is there: a tone of 50 ms a word."""

    async def get(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> bytes | None:
        samples = np.arange(int(rate_hz * 0.05) * len(text.split()))
        return (np.sin(samples / 10) * 8000).astype(np.int16).tobytes()


@asynccontextmanager
async def a_call(
    a_bot: Bot, tmp_path: Path, *, dialled: str = "+15550100", providers: Any = None, **job: Any
) -> AsyncIterator[FakePhone]:
    """A call to ``a_bot`` under way; ended by the caller at the latest."""
    phone = FakePhone(dialled)
    phone.running = asyncio.create_task(
        run_call(
            CallJob("c1", "room", "ws://unused", "secret", "bot-room", **job),
            bots=Bots({a_bot.name: a_bot}),
            providers=providers or Providers({}),
            phrases=KeptPhrases(tmp_path / "phrases"),
            models=_models() if a_bot.talks else None,  # pyright: ignore
            log=EventLog("c1", phone.events.append),
            commands=phone.commands,
            data_dir=tmp_path,
        )
    )
    try:
        yield phone
    finally:
        phone.running.cancel()
        await asyncio.wait({phone.running}, timeout=10)


def _models():
    from processors.turn_models import load_turn_models

    return load_turn_models()
