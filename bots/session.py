"""One call, from joining its room to the last event of its record. Everything is wired here."""

import asyncio
import time
from pathlib import Path

from loguru import logger

from bots.bot import Bot, Bots
from bots.choosing import bot_for
from bots.config import Limits
from bots.conversation import Conversation
from bots.dialling import Dialling
from bots.ending import Ending, EndingGate
from bots.event_listener import ListenedLog
from bots.handover import Handover
from bots.handover_setup import set_up_handover
from bots.job import CallJob
from bots.line_ends import bye_headers, ending_of_error, ending_of_line
from bots.web_caller import CALLER_SECS, NOBODY_CAME, WebCaller
from bots.witnesses import Witnesses
from processors.turn_models import TurnModels
from records.events import Answered, BotReady, CallEnded, CallStarted, ErrorRaised
from records.line_events import CallPlaced
from records.log import EventLog
from services.phrases import PhraseStore
from services.providers import ProviderError, Providers
from transports.call_info import CallInfo
from transports.line_error import LineError
from transports.livekit_sip import LiveKitSIPTransport

READY_SECS = 8.0
ACTIVE_SECS = 30.0
NEVER_ACTIVE = Ending("trunk_failure", "the answered call never became active")


async def run_call(
    job: CallJob,
    *,
    bots: Bots,
    providers: Providers,
    phrases: PhraseStore,
    models: TurnModels,
    log: EventLog,
    commands: asyncio.Queue[dict],
    data_dir: Path = Path(".switchboard"),
) -> None:
    """Run one call to its end.

    The last event is always one ``CallEnded``, whatever happens; the room is left by then.

    Args:
        job: The call.
        bots: Who may answer.
        providers: Makes services.
        phrases: Sentences kept as PCM.
        models: VAD and Smart Turn; this call owns them.
        log: Takes every event.
        commands: ``{"do": "hang_up", "politely": true, "outcome": …}``,
            ``{"do": "say", "text": …}``.
        data_dir: Folder for what tools keep between calls.
    """
    log = ListenedLog(log)
    log.add(CallStarted, direction=job.direction, room=job.room, call_type=job.call_type)
    if job.dial or job.variables:
        log.add(CallPlaced, variables=dict(job.variables), metadata=job.metadata)
    gate = EndingGate()
    call = _Call(job, gate, bots, providers, phrases, models, log, data_dir)
    listening = asyncio.create_task(call.obey(commands))
    try:
        await call.run()
    except Exception as error:  # the border of a call: its record must have an end
        logger.exception("The call failed")
        log.add(ErrorRaised, source="call", message=f"{type(error).__name__}: {error}")
    finally:
        listening.cancel()
        ending = gate.ending or Ending("worker_lost")
        log.add(CallEnded, outcome=ending.outcome, reason=ending.reason)


class _Call:
    """The phases of a call; each ends at once when ``gate`` closes."""

    def __init__(
        self,
        job: CallJob,
        gate: EndingGate,
        bots: Bots,
        providers: Providers,
        phrases: PhraseStore,
        models: TurnModels,
        log: ListenedLog,
        data_dir: Path,
    ):
        self._began = time.monotonic()
        self._job, self._gate, self._log = job, gate, log
        self._bots, self._providers, self._phrases = bots, providers, phrases
        self._models, self._data_dir = models, data_dir
        self._conversation: Conversation | None = None
        self._handover: Handover | None = None
        self._witnesses = Witnesses(log, job.recording_path)
        self._active = asyncio.Event()
        self._line_is_gone = asyncio.Event()
        self._transport = LiveKitSIPTransport(
            job.url,
            job.token,
            job.room,
            caller=job.caller or None,
            tap=self._witnesses.tap,
            deaf=job.awaited,
        )
        self._dialling = Dialling(job, job.dial, log) if job.dial else None
        self._web = WebCaller(job) if job.call_type == "webrtc" else None
        self._listen()

    async def run(self) -> None:
        """Go through the phases; always leaves the room."""
        try:
            await self._talk()
        except LineError as error:
            self._gate.close(ending_of_error(error))
        except ProviderError as error:
            self._gate.close(Ending("provider_failure", f"{error.code}: {error}"))
        except asyncio.CancelledError:
            self._gate.close(Ending("cancelled", "terminated"))
            raise
        except Exception as error:
            self._gate.close(Ending("worker_lost", type(error).__name__))
            raise
        finally:
            self._transport.hang_up_with(bye_headers(self._gate.ending, self._job.call_id))
            if self._handover:
                await self._handover.close()
            if self._conversation:
                await self._conversation.close(line_is_gone=self._line_is_gone)
            if self._web:
                await self._web.close()
            await self._transport.leave()
            if self._dialling:
                await self._dialling.aclose()

    @property
    def _talking(self) -> bool:
        return self._active.is_set() and self._gate.ending is None

    @property
    def _farewell(self) -> str:
        return self._conversation.sentences.farewell if self._conversation else ""

    async def obey(self, commands: asyncio.Queue[dict]) -> None:
        """Carry out the server's commands."""
        while True:
            match await commands.get():
                case {"do": "hang_up", **options}:
                    politely = bool(options.get("politely", True)) and self._talking
                    say = self._farewell if politely else ""
                    self._gate.close(Ending("cancelled", "command:hang_up", politely, say))
                case {"do": "say", "text": str(text)} if self._conversation and self._talking:
                    await self._conversation.speaker.say(text)
                case other:
                    logger.warning(f"Command {other.get('do')!r} cannot be carried out now")

    async def _talk(self) -> None:
        """Join, get ready, answer, converse."""
        info = await self._gate.first(self._join())
        if info is None:
            return
        bot = bot_for(self._job, self._bots, info, gate=self._gate, log=self._log)
        if bot is None:
            return
        self._conversation = Conversation(
            bot,
            self._transport,
            info,
            self._gate,
            providers=self._providers,
            phrases=self._phrases,
            models=self._models,
            data_dir=self._data_dir,
            log=self._log,
            observers=[*self._witnesses.observers, *([self._web.observer] if self._web else [])],
            taps=self._witnesses.processors if bot.config.recording.keep else [],
        )
        self._handover = set_up_handover(
            self._job,
            bot,
            self._bots.desks,
            self._conversation,
            self._transport,
            info,
            self._gate,
            self._log,
            providers=self._providers,
            phrases=self._phrases,
        )
        self._witnesses.watch(self._conversation.pipeline.start)
        if not await self._get_ready(self._conversation):
            return
        await self._answer(bot)
        if self._dialling and not await self._reach(self._dialling):
            return
        wait_secs = CALLER_SECS if self._web else ACTIVE_SECS
        if not await self._gate.first(self._active.wait(), wait_secs):
            self._gate.close(NOBODY_CAME if self._web else NEVER_ACTIVE)
            return
        if self._job.awaited:
            self._start_to_hear(bot)
        self._log.add(Answered)
        await self._conversation.open()
        await self._last(self._conversation, bot.config.limits)

    async def _last(self, conversation: Conversation, limits: Limits) -> None:
        """Let the call last as long as it may; say so before that is over."""
        before = limits.warn_secs if limits.warn_secs < limits.max_call_secs else 0
        if await self._gate.wait(limits.max_call_secs - before):
            return
        if self._handover and self._handover.talking:  # two people may talk as long as they like
            await self._gate.first(self._handover.until_back())
        if before:
            await conversation.warn()
        if not before or not await self._gate.wait(before):
            self._gate.close(Ending("max_duration", "bot", say=self._farewell))

    async def _join(self) -> CallInfo:
        if self._dialling:
            await self._transport.enter()
            return self._dialling.info
        if self._web:
            return await self._web.enter(self._transport, self._active)
        return await self._transport.join()

    async def _reach(self, dialling: Dialling) -> bool:
        ending = await self._gate.first(dialling.dial())
        if ending:
            self._gate.close(ending)
        return self._gate.ending is None

    def _start_to_hear(self, bot: Bot) -> None:
        self._transport.hear()
        if bot.config.recording.keep:
            self._witnesses.start_recording()

    async def _get_ready(self, conversation: Conversation) -> bool:
        if await conversation.start(READY_SECS):
            return True
        reason = f"services not ready in {READY_SECS:g} s"
        self._gate.close(Ending("provider_failure", reason))
        return False

    async def _answer(self, bot: Bot) -> None:
        if bot.config.recording.keep and not self._job.awaited:
            self._witnesses.start_recording()
        await self._transport.publish()
        ready_secs = round(time.monotonic() - self._began, 4)
        self._log.add(BotReady, ready_secs=ready_secs)
        logger.info(f"Answering after {ready_secs:.3f} s")
        self._note_status(self._transport.call_info)

    def _note_status(self, info: CallInfo | None) -> None:
        if info and info.status == "active":
            self._active.set()

    def _listen(self) -> None:
        @self._transport.event_handler("on_caller_changed")
        async def on_caller_changed(_, info: CallInfo, changed: dict[str, str]):
            self._note_status(info)
            if self._dialling:
                self._dialling.note_status(info.status)

        @self._transport.event_handler("on_call_ended")
        async def on_call_ended(_, reason: str):
            self._line_is_gone.set()
            ending = self._web.ending(reason) if self._web else ending_of_line(reason)
            if not self._dialling or not self._dialling.keeps(ending):
                self._gate.close(ending)
