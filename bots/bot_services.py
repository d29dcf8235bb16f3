"""The three services of a bot, by its keys."""

from dataclasses import dataclass

from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService

from bots.config import BotConfig
from services.providers import Providers


@dataclass(frozen=True)
class BotServices:
    """What hears, thinks and speaks in one call."""

    stt: STTService
    llm: LLMService
    tts: TTSService


def build_services(
    config: BotConfig, providers: Providers, system: str | None = None
) -> BotServices:
    """Build the services of a bot that talks; nothing connects before a pipeline runs.

    The first time imports the providers' SDKs, which takes half a second.

    Raises:
        ProviderError: If one cannot be built.
    """
    assert config.stt and config.llm and config.tts
    return BotServices(
        stt=providers.stt(config.stt, language=config.language),
        llm=providers.llm(config.llm, system_instruction=system),
        tts=providers.tts(config.tts.use, voice=config.tts.voice, language=config.language),
    )
