"""Loads the speech models once for the whole process."""

import contextlib
import ctypes
import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loguru import logger

from local.models import moonshine_folder, piper_voice, whisper_folder
from local.providers.flite_voice import FliteVoice
from local.providers.recognizer_pool import Recognizer, RecognizerPool
from local.providers.voice_pool import Voice, VoicePool

SttEngine = Literal["moonshine", "whisper"]
TtsEngine = Literal["piper", "flite"]


class EngineError(Exception):
    """A model cannot be used.

    Parameters:
        code: ``model_missing`` or ``engine_missing``.
        remedy: What to do about it.
        retryable: Always False: somebody must do something.
    """

    retryable = False

    def __init__(self, code: str, message: str, remedy: str):
        super().__init__(f"{message}. {remedy}")
        self.code = code
        self.remedy = remedy


@dataclass(frozen=True)
class Engines:
    """Recognizers and voices, warmed, each worker with one thread."""

    recognizers: RecognizerPool
    voices: VoicePool

    @classmethod
    def load(
        cls,
        models: Path,
        *,
        stt: SttEngine = "moonshine",
        tts: TtsEngine = "piper",
        workers: int = 2,
    ) -> "Engines":
        """Load everything; takes 2 to 5 s, so call it in a thread.

        Args:
            models: The models folder.
            stt: Which recognizer.
            tts: Which voice; Piper falls back to flite.
            workers: Threads for each of the two.

        Raises:
            EngineError: If there is no recognizer or no voice; the remedy is in the message.
        """
        recognizers = [_recognizer(models, stt) for _ in range(workers)]
        engines = cls(RecognizerPool(recognizers), VoicePool(_voice(models, tts), workers=workers))
        _give_back_memory()
        return engines

    def close(self) -> None:
        """End the worker threads."""
        self.recognizers.close()
        self.voices.close()


def _recognizer(models: Path, stt: SttEngine) -> Recognizer:
    if stt == "whisper":
        folder = whisper_folder(models)
        _require(folder / "model.bin", "Run `python -m local.models --whisper`.")
        from local.providers.whisper import WhisperRecognizer

        try:
            return WhisperRecognizer(folder)
        except ImportError as error:
            remedy = "Install the extra `whisper`, or leave out `--stt whisper`."
            raise EngineError("engine_missing", f"No Whisper: {error}", remedy) from error
    folder = moonshine_folder(models)
    _require(folder / "encoder_model.ort", "Run `python -m local.models`.")
    from local.providers.moonshine import MoonshineRecognizer

    try:
        return MoonshineRecognizer(folder)
    except (ImportError, OSError) as error:
        remedy = "Install the extra `local`; on Linux it needs glibc 2.34 or newer."
        raise EngineError("engine_missing", f"No Moonshine: {error}", remedy) from error


def _voice(models: Path, tts: TtsEngine) -> Voice:
    if tts == "piper":
        try:
            from local.providers.piper_voice import PiperVoice

            return PiperVoice(piper_voice(models))
        except (ImportError, OSError, ValueError) as error:
            logger.warning(
                f"Piper cannot be used ({error}), so the bot speaks with flite's robotic voice. "
                "Run `python -m local.models` and install the extra `local` for the better one."
            )
    try:
        return FliteVoice()
    except OSError as error:
        remedy = "Run `python -m local.models` for the Piper voice, or install flite."
        raise EngineError("engine_missing", f"No voice: {error}", remedy) from error


def _require(file: Path, remedy: str) -> None:
    if not file.exists():
        raise EngineError("model_missing", f"{file} is missing", remedy)


def _give_back_memory() -> None:
    """Loading leaves about 150 MB of freed pages with the C library."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library keeps its own books
        ctypes.CDLL("libc.so.6").malloc_trim(0)
