"""One bot talking on one line, from the start of its pipeline to the end of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from loguru import logger
from pipecat.flows import Flow, FlowManager
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    LLMRunFrame,
)
from pipecat.observers.base_observer import BaseObserver
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from bots.answering_machine import AnsweringMachine
from bots.bot import Bot
from bots.ending import Ending, EndingGate, outcome_of
from bots.escalation import ready_globals
from bots.first_token_watch import FirstTokenWatch
from bots.key_menu import KeyMenu
from bots.own_phrases import OwnPhrases
from bots.pipeline import CANCEL_SECS, build_pipeline
from bots.provider_watch import ProviderWatch
from bots.sentences import sentences_for
from bots.silence_watch import SilenceWatch
from bots.speaker import Speaker
from flows.call_resources import CallResources, TransferReport, no_transfer
from processors.caller_gate import CallerGate
from processors.idle_watch import IdleWatch
from processors.keypad import Keypad
from processors.turn_models import TurnModels
from records.log import EventLog
from records.outcomes import Outcome
from services.phrases import PhraseStore
from services.providers import Providers
from transports.call_info import CallInfo

END_SECS = 5.0
ERROR_SECS = 1.0
SPEAK_OUT_SECS = 15.0
WARN_WAIT_SECS = 10.0


class Conversation:
    """Runs a bot's pipeline on a line, speaks for it, and ends it.

    Whatever ends the conversation closes ``gate``; ``close()`` then takes the pipeline down in
    bounded time.
    """

    def __init__(
        self,
        bot: Bot,
        transport: BaseTransport,
        call: CallInfo,
        gate: EndingGate,
        *,
        providers: Providers,
        phrases: PhraseStore,
        models: TurnModels,
        data_dir: Path,
        log: EventLog,
        observers: list[BaseObserver],
        taps: list[FrameProcessor],
        now: Callable[[], datetime] = datetime.now,
    ):
        """Build the pipeline; nothing connects yet."""
        self.bot = bot
        self.sentences = sentences_for(bot.config.language)
        self.silence = SilenceWatch(bot, call, gate, self.sentences, log)
        self._own = OwnPhrases(phrases, bot, providers)
        self._machine = AnsweringMachine.expected(bot, call, gate, log)
        self._gate = gate
        self._call = call
        self._now = now
        self._running: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self._greeting: Frame | None = None
        self._line_in = transport.input()
        self._is_ending = False
        self.keypad = Keypad()
        self.caller_gate = CallerGate()
        self.hand_over: Callable[[str, str], Awaitable[TransferReport]] = no_transfer
        self.pipeline = build_pipeline(
            bot,
            transport,
            call,
            providers=providers,
            models=models,
            observers=[
                *observers,
                *self.silence.observers,
                *([self._machine.judge] if self._machine else []),
                FirstTokenWatch(self._on_silence),
            ],
            taps=taps,
            system=f"{bot.prompt}\n\nToday is {self._today()}." if bot.prompt else None,
            app_resources=CallResources(
                data_dir,
                call.number,
                call.dialled,
                now,
                self._end,
                self._transfer,
                log.add,
                self._achieve,
                keypad=self.keypad,
                language=bot.config.language,
                variables=bot.variables,
            ),
            keypad=self.keypad,
            caller_gate=self.caller_gate,
            machine=self._machine,
        )
        self.worker = self.pipeline.worker
        self.speaker = Speaker(bot, self.worker, self._own)
        self._watch = ProviderWatch(gate, self.speaker, self.sentences)
        menu = KeyMenu(bot, self.worker, self.speaker, self.caller_gate, self._transfer)
        menu.arm(self.keypad)
        self._listen()

    async def start(self, secs: float) -> bool:
        """Connect all services; whether they are ready within ``secs``, and nothing ended it."""
        if self.bot.config.greeting and not self.bot.variables:
            self._greeting = await self.speaker.prepared(self.bot.config.greeting)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self._running = asyncio.create_task(runner.run())
        self._running.add_done_callback(self._on_finished)
        if not await self._gate.first(self._started.wait(), secs):
            return False
        if not self.pipeline.usable:  # its error is still on the way through the pipeline
            await self._gate.wait(ERROR_SECS)
        self._own.begin()
        return self._gate.ending is None and self.pipeline.usable

    async def open(self) -> None:
        """Begin to talk: enter the flow and greet. The caller can hear the bot now."""
        self._watch.answered = True
        if self.bot.flow:
            await self._enter_flow(self.bot.flow)
        greet = self._greet if self.bot.config.greeting else None
        if self._machine:
            self._machine.start(self.speaker, self.caller_gate, self.idle, greet)
        elif greet:
            await greet()
        self.silence.start(self.speaker)

    @property
    def idle(self) -> IdleWatch:
        """Counts the caller's silence; suspend it where the caller waits on purpose."""
        return self.silence.idle

    async def _greet(self) -> None:
        greeting = self._greeting or await self.speaker.prepared(self.bot.config.greeting)
        await self.worker.queue_frame(greeting)

    async def warn(self) -> None:
        """Say that the call will reach its longest duration soon."""
        if self.bot.talks:
            await self.idle.wait_quiet(WARN_WAIT_SECS)
            await self.speaker.say(self.sentences.warning)

    async def close(self, *, line_is_gone: asyncio.Event) -> None:
        """Take the pipeline down: speak out if the ending asks for it, end, else cancel."""
        await self._own.close()
        running, ending = self._running, self._gate.ending
        if running is None:
            return
        if ending and not line_is_gone.is_set() and self._started.is_set():
            gone = asyncio.ensure_future(line_is_gone.wait())
            finishing = asyncio.ensure_future(self._finish(ending))
            await asyncio.wait({finishing, running, gone}, return_when="FIRST_COMPLETED")
            for task in (finishing, gone):
                task.cancel()
            await asyncio.wait({finishing, gone})
        if not running.done():
            cancelling = asyncio.ensure_future(self._cancel())
            await asyncio.wait({running}, timeout=CANCEL_SECS)
            cancelling.cancel()
        if not running.done():
            logger.error(f"{self.bot.name}: the pipeline did not stop")
            running.cancel()

    async def _cancel(self) -> None:
        reason = "the call is over"
        if self._is_ending:
            # The worker's own waits for the EndFrame, and that for all that is still to be played.
            await self._line_in.push_frame(CancelFrame(reason=reason))
        else:
            await self.worker.cancel(reason=reason)

    async def _finish(self, ending: Ending) -> None:
        try:
            async with asyncio.timeout(SPEAK_OUT_SECS):
                if ending.politely:
                    await self._speak_out()
                if ending.say and self.bot.talks:
                    at_once = not ending.politely
                    await self.speaker.say(ending.say, at_once=at_once, to_the_end=True)
        except TimeoutError:
            logger.warning(f"{self.bot.name}: not said to the end in {SPEAK_OUT_SECS:g} s")
        self._is_ending = True
        await self.worker.queue_frame(EndFrame(reason=ending.outcome))
        assert self._running
        await asyncio.wait({self._running}, timeout=self._end_secs(ending))

    def _end_secs(self, ending: Ending) -> float:
        return END_SECS + (SPEAK_OUT_SECS if ending.say and self.bot.talks else 0.0)

    async def _speak_out(self) -> None:
        """Let the bot finish; if it has not answered the caller's last words, let it do so now."""
        await self.worker.flush_pipeline()
        if self.bot.talks and not self._has_answered():
            await self.worker.queue_frame(LLMRunFrame())
            await self.worker.flush_pipeline()
            if not self._has_answered():
                await self.speaker.say(self.sentences.goodbye)

    def _has_answered(self) -> bool:
        assert self.pipeline.context
        for message in reversed(self.pipeline.context.get_messages()):
            if not isinstance(message, dict):
                continue
            if message.get("role") == "user":
                return False
            if message.get("role") == "assistant" and message.get("content"):
                return True
        return True  # nobody said anything that wants an answer

    async def _enter_flow(self, flow: Flow) -> None:
        assert self.pipeline.llm
        manager = FlowManager(
            worker=self.worker,
            llm=self.pipeline.llm,
            context_aggregator=self.pipeline.aggregators,
            global_functions=[*flow.global_functions, *ready_globals(self.bot)],
        )
        manager.state.update(self.bot.variables)
        manager.state.update(
            today=self._today(), caller=self._call.number, dialled=self._call.dialled
        )
        await manager.initialize(flow.initial_node)

    def _today(self) -> str:
        return self._now().strftime("%Y-%m-%d (%A)")

    async def _transfer(self, desk: str, reason: str) -> TransferReport:
        return await self.hand_over(desk, reason)

    def _achieve(self, outcome: Outcome) -> None:
        self._gate.achieved = outcome

    async def _on_silence(self, name: str) -> None:
        await self._watch.on_silence(name)

    def _end(self, outcome: Outcome) -> None:
        self._gate.close(Ending(outcome, "bot", politely=True))

    def _listen(self) -> None:
        @self.worker.event_handler("on_pipeline_started")
        async def on_pipeline_started(*_):
            self._started.set()

        @self.worker.event_handler("on_pipeline_error")
        async def on_pipeline_error(_, frame):
            await self._watch.on_error(frame)

        @self.worker.event_handler("on_pipeline_finished")
        async def on_pipeline_finished(_, frame):
            if isinstance(frame, EndFrame):
                self._gate.close(Ending(outcome_of(frame.reason), "bot"))

    def _on_finished(self, running: asyncio.Task[None]) -> None:
        error = None if running.cancelled() else running.exception()
        if error:
            logger.opt(exception=error).error(f"{self.bot.name}: the pipeline failed")
        reason = f"pipeline: {type(error).__name__}" if error else "pipeline: ended"
        self._gate.close(Ending("worker_lost", reason))
