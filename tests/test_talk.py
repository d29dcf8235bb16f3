"""Talking to a bot without a phone: the same pipeline on another transport."""

import asyncio
from pathlib import Path

import pytest
from loguru import logger
from pipecat.frames.frames import OutputAudioRawFrame, StartFrame
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from bots.bot import Bot
from bots.loading import load_bots
from bots.talk import talk
from processors.turn_models import load_turn_models
from tests.fakes_room import until
from tests.fakes_session import FakeProviders, KeptPhrases

logger.remove()

ROOT = Path(__file__).parent.parent


class _Microphone(BaseInputTransport):
    async def start(self, frame: StartFrame):
        await super().start(frame)
        await self.set_transport_ready(frame)


class _Speaker(BaseOutputTransport):
    def __init__(self, params: TransportParams):
        super().__init__(params)
        self.played = 0

    async def start(self, frame: StartFrame):
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.played += len(frame.audio)
        await asyncio.sleep(0.001)
        return True


class SoundCard(BaseTransport):
    """A microphone that hears nothing and a speaker that counts."""

    def __init__(self):
        super().__init__()
        params = TransportParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0
        )
        self.microphone, self.speaker = _Microphone(params), _Speaker(params)

    def input(self):
        return self.microphone

    def output(self):
        return self.speaker


@pytest.fixture
def receptionist() -> Bot:
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    return bot


async def test_somebody_at_the_microphone_is_greeted_answered_and_let_go(receptionist, tmp_path):
    lines: list[str] = []
    card, providers = SoundCard(), FakeProviders(["Until next time.", ("end_call", {})])
    talking = asyncio.create_task(
        talk(
            receptionist,
            providers=providers,
            phrases=KeptPhrases(tmp_path),
            models=load_turn_models(),
            data_dir=tmp_path,
            transport=card,
            show=lines.append,
        )
    )
    await until(lambda: any(line.startswith("bot: Blue Door") for line in lines), 5)
    await providers.the_stt.hear("Goodbye")
    ending = await asyncio.wait_for(talking, 8)
    assert ending.outcome == "completed"
    assert card.speaker.played > 0
    assert lines == [
        "receptionist is listening; Ctrl-C ends it.",
        "bot: Blue Door, good evening. How can I help?",
        "you: Goodbye",
        "     end_call()",
        "bot: Until next time.",
        "The conversation is over: completed (bot).",
    ]


async def test_ctrl_c_ends_the_conversation_and_leaves_nothing(receptionist, tmp_path):
    lines: list[str] = []
    talking = asyncio.create_task(
        talk(
            receptionist,
            providers=FakeProviders(),
            phrases=KeptPhrases(tmp_path),
            models=load_turn_models(),
            data_dir=tmp_path,
            transport=SoundCard(),
            show=lines.append,
        )
    )
    await until(lambda: lines, 5)
    talking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(talking, 8)


async def test_a_provider_that_refuses_is_named(receptionist, tmp_path):
    lines: list[str] = []
    providers = FakeProviders()
    providers.the_stt.setup_fails = True
    ending = await talk(
        receptionist,
        providers=providers,
        phrases=KeptPhrases(tmp_path),
        models=load_turn_models(),
        data_dir=tmp_path,
        transport=SoundCard(),
        show=lines.append,
    )
    assert ending.outcome == "provider_failure" and "401" in lines[-1]
