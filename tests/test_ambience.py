"""Sound behind the bot's voice, heard on the line by a caller."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import soundfile
from livekit import rtc
from loguru import logger

from bots.ambience import ambience_problems, with_ambience_of
from bots.config import Ambience, BotConfig, Tts
from bots.loading import load_bots
from tests.fakes_room import FakeRoom, until
from tests.fakes_session import FakeProviders, a_call

logger.remove()

ROOT = Path(__file__).parent.parent
HUM = np.sin(2 * np.pi * 500 * np.arange(24000) / 24000) * 0.5


def a_bot(file: str, **keys) -> BotConfig:
    tts = Tts(use="cartesia/sonic-3")
    return BotConfig(name="desk", tts=tts, ambience=Ambience(file=file), **keys)


def problems(tmp_path: Path, config: BotConfig) -> list[str]:
    return [": ".join(problem[:2]) for problem in ambience_problems(tmp_path / "desk.yaml", config)]


def test_file_of_a_bot_is_found_beside_its_yaml(tmp_path):
    soundfile.write(tmp_path / "hum.wav", HUM, 24000)
    assert not problems(tmp_path, a_bot("hum.wav"))
    keys = with_ambience_of(tmp_path / "desk.yaml", a_bot("hum.wav")).ambience
    assert keys and Path(keys.file) == tmp_path / "hum.wav"


def test_file_that_cannot_be_played_is_told_with_the_remedy(tmp_path):
    assert "there is no file" in problems(tmp_path, a_bot("nowhere.wav"))[0]
    (tmp_path / "words.wav").write_text("no sound")
    assert "words.wav is no sound" in problems(tmp_path, a_bot("words.wav"))[0]
    soundfile.write(tmp_path / "wrong.wav", np.zeros((100, 2)), 8000)
    told = list(ambience_problems(tmp_path / "desk.yaml", a_bot("wrong.wav")))
    assert "8000 Hz and 2 channels, not 24000 Hz and one" in told[0][1]
    assert told[0][2] == "sox wrong.wav -r 24000 -c 1 OUT.wav"


def test_bot_without_a_voice_has_no_ambience(tmp_path):
    soundfile.write(tmp_path / "hum.wav", HUM, 24000)
    config = BotConfig(name="echo", ambience=Ambience(file="hum.wav"))
    assert problems(tmp_path, config) == ["ambience: is the sound behind a voice"]


class _Ear:
    """What comes out of the bot's track."""

    def __init__(self, track: rtc.Track):
        self._stream = rtc.AudioStream(track, sample_rate=24000, num_channels=1)
        self.heard: list[np.ndarray] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self._stream:
            self.heard.append(np.frombuffer(event.frame.data, np.int16).copy())

    def level_at(self, hz: float, secs: float) -> float:
        """RMS of a frequency in the last seconds."""
        last = np.concatenate(self.heard)[-int(secs * 24000) :].astype(np.float64)
        carrier = np.exp(-2j * np.pi * hz * np.arange(len(last)) / 24000)
        return float(np.abs(np.mean(last * carrier)) * np.sqrt(2))

    async def close(self) -> None:
        await self._stream.aclose()
        self._reading.cancel()


async def test_caller_hears_the_room_of_the_bot_while_it_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(rtc, "Room", FakeRoom)
    FakeRoom.present, FakeRoom.instances, FakeRoom.refuse = [], [], None
    soundfile.write(tmp_path / "hum.wav", HUM, 24000)
    bot = load_bots(ROOT / "bots", ROOT / "flows").named("receptionist")
    assert bot
    ambience = Ambience(file=str(tmp_path / "hum.wav"), volume=0.1)
    bot = dataclasses.replace(bot, config=bot.config.model_copy(update={"ambience": ambience}))
    async with a_call(bot, tmp_path, providers=FakeProviders()) as phone:
        await phone.answered()
        ear = _Ear(phone.room.local_participant.tracks[0])
        # The VAD's fall-back is what tells the end of speech where a mixer never stops.
        await phone.happened("bot_stopped_speaking", 10)
        await asyncio.sleep(1)
        expected = 0.5 * 32767 * 0.1 / np.sqrt(2)
        assert 0.8 * expected < ear.level_at(500, 0.5) < 1.2 * expected
        phone.commands.put_nowait({"do": "hang_up", "politely": True})
        await until(lambda: len(phone.of("bot_spoke")) == 2, 10)
        await phone.over(10)
        await ear.close()
    assert phone.ending == ("cancelled", "command:hang_up")
