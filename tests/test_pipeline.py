"""The one list of processors, and what a bot's keys and Python change in it."""

import dataclasses
from pathlib import Path

import pytest
from loguru import logger
from pipecat.processors.filters.identity_filter import IdentityFilter

from bots.bot import Bot
from bots.config import Interruptions
from bots.loading import load_bots
from bots.pipeline import build_pipeline
from processors.turn_models import load_turn_models
from tests.fakes_session import FakeProviders
from transports.call_info import CallInfo
from transports.livekit_sip import LiveKitSIPTransport

logger.remove()

ROOT = Path(__file__).parent.parent
CALL = CallInfo("sip_caller", number="+15550123", dialled="+15550100")


@pytest.fixture
def receptionist() -> Bot:
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    return bot


def build(bot: Bot, **kwargs):
    transport = LiveKitSIPTransport("ws://unused", "", "room")
    models = load_turn_models()
    return build_pipeline(
        bot, transport, CALL, providers=FakeProviders(), models=models, **kwargs
    ), models


def names(pipeline) -> list[str]:
    """The processors between the pipeline's ends, by class."""
    inner = pipeline.worker.pipeline.processors[1]
    return [type(p).__name__ for p in inner.processors[1:-1]]


async def test_a_call_reads_top_to_bottom(receptionist):
    pipeline, models = build(receptionist, taps=[IdentityFilter()])
    assert names(pipeline) == [
        "SIPInputTransport",
        "IdentityFilter",
        "Keypad",
        "AudioBundler",
        "FakeSTT",
        "LLMUserAggregator",
        "CallerAudioEnd",
        "ScriptedLLM",
        "HushProcessor",
        "ToneTTS",
        "PhraseProcessor",
        "SIPOutputTransport",
        "StaleWordsFilter",
        "LLMAssistantAggregator",
    ]
    assert pipeline.start and models.vad.on_onset == pipeline.start.on_onset


async def test_the_keys_of_an_interruption_reach_the_strategy(receptionist):
    keys = Interruptions(blip_ms=400, sustain_ms=900, backchannels=("Aha",))
    config = receptionist.config.model_copy(update={"interruptions": keys})
    pipeline, _ = build(dataclasses.replace(receptionist, config=config))
    assert pipeline.start
    assert pipeline.start._blip_secs == 0.4 and pipeline.start._sustain_secs == 0.9
    assert pipeline.start._backchannels == {"aha"}


async def test_interruptions_by_vad_hold_nothing(receptionist):
    keys = Interruptions(mode="vad")
    config = receptionist.config.model_copy(update={"interruptions": keys})
    pipeline, models = build(dataclasses.replace(receptionist, config=config))
    assert pipeline.start is None and models.vad.on_onset is None


async def test_a_bots_python_may_replace_the_list_and_knows_the_caller(receptionist):
    seen = []

    def processors(default, call):
        seen.append(call)
        return [default[0], IdentityFilter(), *default[1:]]

    pipeline, _ = build(dataclasses.replace(receptionist, processors=processors))
    assert names(pipeline)[1] == "IdentityFilter"
    assert seen == [CALL]


async def test_an_echo_is_sent_back_at_the_rate_it_came():
    echo = load_bots(ROOT / "bots", ROOT / "flows").named("echo")
    assert echo
    pipeline, _ = build(echo)
    assert names(pipeline) == ["SIPInputTransport", "EchoProcessor", "Keypad", "SIPOutputTransport"]
    params = pipeline.worker.params
    assert params.audio_in_sample_rate == params.audio_out_sample_rate == 16000
