"""The one list of processors of a call, read top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_transport import BaseTransport

from bots.ambience import mix_in
from bots.answering_machine import AnsweringMachine
from bots.bot import Bot
from bots.bot_services import BotServices, build_services
from bots.phrase_processor import PhraseProcessor
from bots.phrases import RATE_HZ
from bots.turn_taking import turn_taking
from processors.audio_bundler import AudioBundler
from processors.caller_audio_end import CallerAudioEnd
from processors.caller_gate import CallerGate
from processors.hush import HushProcessor
from processors.keypad import Keypad
from processors.observer_group import grouped
from processors.stale_words import StaleWordsFilter
from processors.turn_models import TurnModels
from processors.two_step_start_strategy import TwoStepStartStrategy
from services.providers import Providers
from transports.call_info import CallInfo

IN_RATE_HZ = 16000  # what VAD, Smart Turn and the STT models are made for
CANCEL_SECS = 3.0


@dataclass(frozen=True)
class CallPipeline:
    """A call's pipeline, built and not yet running.

    Parameters:
        worker: Runs it.
        keypad: Takes the caller's keys.
        services: None in a bot without words.
        context: What was said; None in a bot without words.
        aggregators: User and assistant halves of ``context``.
        start: The strategy that holds the line; None where it cannot be held.
    """

    worker: PipelineWorker
    keypad: Keypad
    services: BotServices | None = None
    context: LLMContext | None = None
    aggregators: LLMContextAggregatorPair | None = None
    start: TwoStepStartStrategy | None = None

    @property
    def llm(self) -> LLMService | None:
        """What thinks; None in a bot without words."""
        return self.services.llm if self.services else None

    @property
    def usable(self) -> bool:
        """Whether no service has said that it cannot work, as after a refused key."""
        s = self.services
        return s is None or (s.stt.is_usable and s.llm.is_usable and s.tts.is_usable)


def build_pipeline(
    bot: Bot,
    transport: BaseTransport,
    call: CallInfo,
    *,
    providers: Providers,
    models: TurnModels,
    observers: Sequence[BaseObserver] = (),
    taps: Sequence[FrameProcessor] = (),
    system: str | None = None,
    app_resources: object = None,
    keypad: Keypad | None = None,
    caller_gate: CallerGate | None = None,
    machine: AnsweringMachine | None = None,
) -> CallPipeline:
    """Build the pipeline of one call; nothing connects before it runs.

    Args:
        bot: Who answers.
        transport: The line.
        call: Who calls.
        providers: Makes the bot's services.
        models: VAD and Smart Turn of this call.
        observers: Look on.
        taps: Processors right behind the input: they hear the caller before anything else does.
        system: System prompt; None where a flow sets it.
        app_resources: Reaches every tool.
        keypad: Takes the caller's keys; None makes one without a menu.
        caller_gate: Keeps the caller from the bot while they wait for a person.
        machine: Finds out whether a person answered; None takes whoever did for one.
    """
    keypad = keypad or Keypad()
    if not bot.talks:
        chain = [transport.input(), *taps, keypad, transport.output()]
        return CallPipeline(_worker(bot, call, chain, observers, app_resources), keypad)
    mix_in(bot.config, transport)
    # What hears every 20 ms of the caller and never waits (taps, keypad, gates, bundler) runs in
    # Pipecat's direct mode: within its neighbour's task, without the two queues of a processor.
    services = build_services(bot.config, providers, system)
    context = LLMContext()
    params, start = turn_taking(bot.config, transport, models)
    pair = LLMContextAggregatorPair(context, user_params=params)
    chain = [
        transport.input(),
        *taps,
        keypad,
        *([caller_gate] if caller_gate else []),
        AudioBundler(),
        services.stt,
        *([machine.behind_stt(services.llm)] if machine else []),
        pair.user(),
        CallerAudioEnd(),
        *([machine.judge.gate] if machine else []),
        services.llm,
        HushProcessor(),
        services.tts,
        PhraseProcessor(),
        transport.output(),
        StaleWordsFilter(),
        pair.assistant(),
    ]
    worker = _worker(bot, call, chain, observers, app_resources)
    return CallPipeline(worker, keypad, services, context, pair, start)


def _worker(
    bot: Bot,
    call: CallInfo,
    chain: list[FrameProcessor],
    observers: Sequence[BaseObserver],
    app_resources: object,
) -> PipelineWorker:
    if bot.processors:
        chain = bot.processors(chain, call)
    return PipelineWorker(
        Pipeline(chain),
        params=PipelineParams(
            audio_in_sample_rate=IN_RATE_HZ,
            # An echo is sent back as it came.
            audio_out_sample_rate=RATE_HZ if bot.talks else IN_RATE_HZ,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        observers=grouped(observers),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        cancel_timeout_secs=CANCEL_SECS,
        # The session speaks to the caller before it ends a call for a broken service.
        processor_unusable_policy=ProcessorUnusablePolicy.CONTINUE,
        app_resources=app_resources,
    )
