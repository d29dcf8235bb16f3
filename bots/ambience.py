"""Sound behind the bot's voice: a café, an office, music, by a file that is played for ever."""

from collections.abc import Iterator
from pathlib import Path

import soundfile
from pipecat.audio.mixers.soundfile_mixer import SoundfileMixer
from pipecat.transports.base_transport import BaseTransport

from bots.config import BotConfig
from bots.phrases import RATE_HZ


def ambience_problems(path: Path, config: BotConfig) -> Iterator[tuple[str, str, str]]:
    """What is wrong with a bot's ambience: key, problem, remedy."""
    keys = config.ambience
    if keys is None:
        return
    if config.tts is None:
        yield "ambience", "is the sound behind a voice", "give stt, llm and tts, or remove it"
    file = path.parent / keys.file
    if not file.is_file():
        yield "ambience.file", f"there is no file {file}", "give its path beside the bot's YAML"
        return
    try:
        sound = soundfile.info(file)
    except soundfile.LibsndfileError as error:
        remedy = "give a WAV, FLAC, OGG or MP3 file"
        yield "ambience.file", f"{file.name} is no sound: {error.error_string}", remedy
        return
    if (sound.samplerate, sound.channels) != (RATE_HZ, 1):
        has = f"{sound.samplerate} Hz and {sound.channels} channels"
        remedy = f"sox {file.name} -r {RATE_HZ} -c 1 OUT.wav"
        yield "ambience.file", f"{file.name} has {has}, not {RATE_HZ} Hz and one", remedy


def with_ambience_of(path: Path, config: BotConfig) -> BotConfig:
    """The keys, with the file's path from anywhere."""
    if config.ambience is None:
        return config
    file = str((path.parent / config.ambience.file).resolve())
    ambience = config.ambience.model_copy(update={"file": file})
    return config.model_copy(update={"ambience": ambience})


def mix_in(config: BotConfig, transport: BaseTransport) -> None:
    """Let a line that is not started yet play the bot's ambience beside its voice."""
    if keys := config.ambience:
        transport._params.audio_out_mixer = SoundfileMixer(  # pyright: ignore[reportAttributeAccessIssue]
            sound_files={"ambience": keys.file}, default_sound="ambience", volume=keys.volume
        )
