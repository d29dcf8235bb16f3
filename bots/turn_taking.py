"""Who may speak: when the caller's turn begins and when it is over."""

from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from bots.config import BotConfig
from processors.rechecking_turn_stop_strategy import RecheckingTurnStopStrategy
from processors.turn_models import TurnModels
from processors.two_step_start_strategy import TwoStepStartStrategy
from transports.livekit_sip import LiveKitSIPTransport


def turn_taking(
    config: BotConfig, transport: BaseTransport, models: TurnModels
) -> tuple[LLMUserAggregatorParams, TwoStepStartStrategy | None]:
    """Settings of the user aggregator for a bot on a line.

    Returns:
        The settings, and the strategy that holds the line; None where it cannot be held.
    """
    models.vad.on_offset = models.turn.foresee
    start = _two_step(config, transport, models)
    one_step = [VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()]
    params = LLMUserAggregatorParams(
        vad_analyzer=models.vad,
        user_turn_strategies=UserTurnStrategies(
            start=[start] if start else one_step,
            stop=[RecheckingTurnStopStrategy(turn_analyzer=models.turn)],
        ),
        empty_user_turn=None,  # a noise without words gets no answer
    )
    return params, start


def _two_step(
    config: BotConfig, transport: BaseTransport, models: TurnModels
) -> TwoStepStartStrategy | None:
    keys = config.interruptions
    # A line that cannot be held, such as a sound card, is interrupted in one step.
    if keys.mode == "vad" or not isinstance(transport, LiveKitSIPTransport):
        return None
    start = TwoStepStartStrategy(
        source=lambda: transport.source,
        backchannels=frozenset(keys.backchannels),
        blip_secs=keys.blip_ms / 1000,
        sustain_secs=keys.sustain_ms / 1000,
    )
    models.vad.on_onset = start.on_onset
    return start
