"""What the bot does when a machine answers its call: leave a message, hang up, try again."""

import asyncio
from collections.abc import Awaitable, Callable

from loguru import logger
from pipecat.classifiers.llm.classifier import LLMClassifier
from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService

from bots.bot import Bot
from bots.ending import Ending, EndingGate
from bots.retries import retry_secs
from bots.speaker import Speaker
from processors.beep import Beep
from processors.caller_gate import CallerGate
from processors.idle_watch import IdleWatch
from processors.voicemail import FarEndJudge
from records.far_end_events import BeepHeard, FarEndJudged, MessageLeft
from records.log import EventLog
from transports.call_info import CallInfo

MESSAGE_SECS = 120.0

Greet = Callable[[], Awaitable[None]]


class AnsweringMachine:
    """Waits with the greeting until a person is there; keeps to the bot's policy with a machine.

    The outcome of a call that a machine took is ``voicemail``, however it ends.

    Parameters:
        judge: Who answered; an observer of the pipeline.
    """

    def __init__(self, bot: Bot, call: CallInfo, gate: EndingGate, log: EventLog):
        """Initialize; nothing is heard yet."""
        self.judge = FarEndJudge()
        self._bot, self._call, self._gate, self._log = bot, call, gate, log

    @classmethod
    def expected(cls, bot: Bot, call: CallInfo, gate: EndingGate, log: EventLog):
        """One for a bot that asks for it and calls somebody; else None."""
        wanted = bot.talks and bot.config.voicemail is not None and call.attempt > 0
        return cls(bot, call, gate, log) if wanted else None

    def behind_stt(self, llm: LLMService) -> FrameProcessor:
        """Weighs the words of whoever answered, with the bot's own model."""
        return self.judge.ask_with(LLMClassifier(llm=llm))

    def start(
        self,
        speaker: Speaker,
        caller_gate: CallerGate,
        idle: IdleWatch,
        greet: Greet | None,
    ) -> None:
        """The far end has answered.

        Args:
            speaker: Speaks the message.
            caller_gate: Shut while the message is spoken.
            idle: Does not count before a person is there.
            greet: Greets a person; None lets the model begin.
        """
        judged = idle.suspended()
        judged.__enter__()

        @self.judge.event_handler("on_beep")
        async def on_beep(_, beep: Beep):
            self._log.add(BeepHeard, hz=beep.hz, secs=beep.secs)

        @self.judge.event_handler("on_person")
        async def on_person(_, by: str):
            self._log.add(FarEndJudged, verdict="person", by=by)
            judged.__exit__(None, None, None)
            if greet:
                await greet()
            await self.judge.gate.open(ask=greet is None)

        @self.judge.event_handler("on_machine")
        async def on_machine(_, by: str):
            self._note_machine(by)
            caller_gate.shut()
            await self._follow_policy(speaker)

        self.judge.start()

    def _note_machine(self, by: str) -> None:
        keys = self._bot.config.voicemail
        assert keys
        retry = retry_secs("voicemail", self._call.attempt) if keys.policy == "retry" else None
        self._log.add(FarEndJudged, verdict="machine", by=by, retry_after_secs=retry)
        self._gate.achieved = "voicemail"
        logger.info(f"{self._bot.name}: a machine answered, told by {by}: {keys.policy}")

    async def _follow_policy(self, speaker: Speaker) -> None:
        keys = self._bot.config.voicemail
        assert keys
        if keys.policy != "leave_message" or self._gate.ending:
            self._gate.close(Ending("voicemail", f"machine:{keys.policy}"))
            return
        if await self._say(await speaker.prepared(keys.message)):
            self._log.add(MessageLeft)
            self._gate.close(Ending("voicemail", "machine:message_left"))
        else:
            self._gate.close(Ending("voicemail", "machine:message_not_played"))

    async def _say(self, frame: Frame) -> bool:
        """Speak a frame; whether it was heard to its end."""
        frame.interruptible = False
        self.judge.spoken.clear()
        # The detector lets nothing of the conversation pass any more: the message begins there.
        assert self.judge.detector
        await self.judge.detector.push_frame(frame)
        try:
            async with asyncio.timeout(MESSAGE_SECS):
                await self.judge.spoken.wait()
        except TimeoutError:
            return False
        return True
