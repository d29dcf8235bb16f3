"""What the fork server loads once, so that a call process starts with everything in memory.

Nothing here may start a thread or a connection: it is inherited by every call process.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from livekit.rtc._ffi_client import get_ffi_lib
from pydantic import SecretStr

from bots.bot import Bots
from bots.job import CallJob
from bots.loading import load_bots
from bots.phrases import warm_phrases
from bots.pipeline import build_pipeline
from bots.session import run_call
from processors.turn_models import TurnModels, load_turn_models
from records.log import EventLog
from server.call_process import ConfigurationError
from server.livekit_access import LiveKitAccess, Rooms
from server.logs import set_up_logs
from server.settings import Settings, load_settings
from services.phrases import PhraseStore
from services.provider_table import ACCESS_NAMES
from services.providers import ProviderAccess, Providers
from transports.call_info import CallInfo
from transports.desk_line import desk_room
from transports.livekit_sip import LiveKitSIPTransport


@dataclass(frozen=True)
class LoadedSession:
    """Bots, services and models, loaded; ``server.call_process.Session``."""

    bots: Bots
    providers: Providers
    phrases: PhraseStore
    models: TurnModels
    data_dir: Path

    async def run_call(self, job: CallJob, log: EventLog, commands: asyncio.Queue[dict]) -> None:
        """Runs one call."""
        await run_call(
            job,
            bots=self.bots,
            providers=self.providers,
            phrases=self.phrases,
            models=self.models,
            log=log,
            commands=commands,
            data_dir=self.data_dir,
        )

    async def warm_up(self) -> None:
        """Synthesises the phrases that are not kept yet."""
        await warm_phrases(self.bots, self.providers, self.phrases)

    async def end_room(self, job: CallJob) -> None:
        """Deletes the room."""
        rooms = Rooms(LiveKitAccess(job.url, job.api_key, SecretStr(job.api_secret)))
        await rooms.delete(desk_room(job.room))
        await rooms.delete(job.room)
        await rooms.close()


def providers_of(settings: Settings) -> Providers:
    """The providers with the keys and URLs of the environment."""
    return Providers(
        {
            name: ProviderAccess(access.api_key, access.url)
            for name, access in settings.providers.items()
            if name in ACCESS_NAMES
        }
    )


def load_session() -> LoadedSession:
    """Loads everything; the fork server's entry.

    Raises:
        ConfigurationError: With every problem of every bot.
    """
    settings = load_settings()
    set_up_logs(settings.log, settings.log_level)
    providers = providers_of(settings)
    bots = load_bots(settings.bots, settings.flows, providers)
    if bots.problems:
        raise ConfigurationError("\n".join(str(problem) for problem in bots.problems))
    models = _warm_models()
    asyncio.run(_build_and_forget(bots, providers, models))
    get_ffi_lib()  # mapped, not started
    phrases = PhraseStore(settings.data / "phrases")
    return LoadedSession(bots, providers, phrases, models, settings.data)


async def _build_and_forget(bots: Bots, providers: Providers, models: TurnModels) -> None:
    """Builds every bot's pipeline once, unconnected: loads what services import late.

    Saves a call about 45 ms (httpcore, h2, jiter, the CA bundle).
    """
    for bot in bots.by_name.values():
        transport = LiveKitSIPTransport("ws://unused", "", "")
        build_pipeline(bot, transport, CallInfo(""), providers=providers, models=models)


def _warm_models() -> TurnModels:
    """Both models after one run each, so that calls share what that allocates."""
    models = load_turn_models()
    models.vad.set_sample_rate(16000)
    models.vad.voice_confidence(bytes(1024))
    models.turn._predict_endpoint(np.zeros(16000, np.float32))
    return models
