"""A call without a line: a fake room, the phone in it, and the events of the call."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import FunctionCallFromLLM, LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from bots.bot import Bot, Bots
from bots.job import CallJob
from bots.session import run_call
from processors.turn_models import load_turn_models
from records.event import Event
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

    def __init__(self, dialled: str = "+15550100", *, called: bool = False):
        self.caller = FakeParticipant("sip_caller", **{**RINGING, "sip.trunkPhoneNumber": dialled})
        self.events: list[Event] = []
        self.commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.running: asyncio.Task[None] | None = None
        FakeRoom.present = [] if called else [self.caller]

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
        return tone(text, rate_hz)


@asynccontextmanager
async def a_call(
    a_bot: Bot,
    tmp_path: Path,
    *,
    dialled: str = "+15550100",
    providers: Any = None,
    url: str = "ws://unused",
    **job: Any,
) -> AsyncIterator[FakePhone]:
    """A call to ``a_bot``, or from it, under way; ended by the caller at the latest."""
    phone = FakePhone(dialled, called="dial" in job)
    phone.running = asyncio.create_task(
        run_call(
            CallJob("c1", "room", url, "secret", "bot-room", **job),
            bots=Bots({a_bot.name: a_bot}),
            providers=providers or Providers({}),
            phrases=KeptPhrases(tmp_path / "phrases"),
            models=load_turn_models(),
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


class FakeSTT(STTService):
    """Hears what the test says."""

    def __init__(self):
        super().__init__(settings=STTSettings(model=None, language=None), ttfs_p99_latency=0.25)
        self.setup_fails = False
        self.setup_waits: asyncio.Event | None = None

    async def setup(self, setup: FrameProcessorSetup):
        await super().setup(setup)
        if self.setup_waits:
            await self.setup_waits.wait()
        if self.setup_fails:
            await self.refuse()

    async def refuse(self) -> None:
        """The provider rejects the key."""
        await self.push_error("401", force_treat_as_permanent=True)

    async def run_stt(self, audio: bytes):
        yield None

    async def hear(self, text: str) -> None:
        frame = TranscriptionFrame(text, "caller", "2026-11-21T18:00:00Z", finalized=True)
        await self.push_frame(frame)


class ScriptedLLM(LLMService):
    """Answers each request with the next of ``replies``: words, a tool call, both,
    an error, or an event that must happen first.

    ``requests`` are the messages of each request, ``tools`` the names offered with the last one.
    """

    def __init__(self, replies: Sequence[Any], system_instruction: str | None = None):
        names = [field.name for field in dataclasses.fields(LLMSettings) if field.name != "extra"]
        given = dict.fromkeys(names) | {"system_instruction": system_instruction}
        super().__init__(settings=LLMSettings(**given))
        self.replies = list(replies)
        self.requests: list[list[Any]] = []
        self.tools: list[str] = []
        self.system: str | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            await self._answer(frame.context)
        else:
            await self.push_frame(frame, direction)

    async def _answer(self, context: LLMContext) -> None:
        self.requests.append(list(context.get_messages()))
        self.system = self._settings.system_instruction
        self.tools = [t.name for t in getattr(context.tools, "standard_tools", [])]
        await self.push_frame(LLMFullResponseStartFrame())
        for part in self._next_reply():
            if isinstance(part, Exception):
                await self.push_error("The model failed", exception=part)
            elif isinstance(part, asyncio.Event):
                await part.wait()
            elif isinstance(part, str):
                for word in part.split():
                    await self._push_llm_text(word + " ")
            else:
                await self._run_tool(context, part)
        await self.push_frame(LLMFullResponseEndFrame())

    async def _run_tool(self, context: LLMContext, part: tuple[str, dict[str, Any]]) -> None:
        number = str(len(self.requests))
        call = FunctionCallFromLLM(
            context=context, tool_call_id=number, function_name=part[0], arguments=part[1]
        )
        await self.run_function_calls([call])

    def _next_reply(self) -> list[Any]:
        reply = self.replies.pop(0) if self.replies else "All right."
        return reply if isinstance(reply, list) else [reply]


class ToneTTS(TTSService):
    """Says every sentence as a tone, 50 ms a word."""

    def __init__(self):
        super().__init__(
            settings=TTSSettings(model=None, voice=None, language=None),
            push_start_frame=True,
            push_stop_frames=True,
        )
        self.said: list[str] = []
        self.silent = False

    async def run_tts(self, text: str, context_id: str):
        self.said.append(text)
        if not self.silent:
            yield TTSAudioRawFrame(tone(text, 24000), 24000, 1, context_id=context_id)


WORD_SECS = 0.05


def tone(text: str, rate_hz: int) -> bytes:
    samples = np.arange(int(rate_hz * WORD_SECS) * len(text.split()))
    return (np.sin(samples / 10) * 8000).astype(np.int16).tobytes()


class FakeProviders:
    """One STT, one LLM with a script, one TTS."""

    def __init__(self, *replies: Any):
        self.replies = replies
        self.the_stt = FakeSTT()
        self.the_tts = ToneTTS()
        self.the_llm = ScriptedLLM(replies)

    def stt(self, spec: str, *, language: str | None = None) -> STTService:
        return self.the_stt

    def llm(self, spec: str, system_instruction: str | None = None) -> LLMService:
        self.the_llm = ScriptedLLM(self.replies, system_instruction)
        return self.the_llm

    def tts(
        self, spec: str, *, voice: str | None = None, language: str | None = None
    ) -> TTSService:
        return self.the_tts
