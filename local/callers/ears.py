"""The caller's own speech recognition: what was really heard on the phone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soxr

_MODEL_RATE_HZ = 16000

EARS_ENVIRONMENT = {"MOONSHINE_ORT_SINGLE_THREAD": "1"}
"""Put into the environment before ``open``: half the CPU at the same speed on short audio."""


class Ears:
    """Moonshine tiny-en in one worker thread, apart from the providers' own.

    The engine releases Python's lock while it works, so the thread that sends RTP is not disturbed.
    """

    def __init__(self, model_dir: Path):
        """Initialize; the model is loaded by ``open``.

        Args:
            model_dir: Folder with the three files of Moonshine tiny-en.
        """
        self._model_dir = model_dir
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ears")
        self._model: Any = None

    @classmethod
    async def open(cls, model_dir: Path) -> "Ears":
        """Load the model, about half a second."""
        ears = cls(model_dir)
        await asyncio.get_running_loop().run_in_executor(ears._thread, ears._load)
        return ears

    async def transcribe(self, pcm: np.ndarray) -> str:
        """The words in 16-bit mono audio at 8 kHz; empty when there are none."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._transcribe, pcm)

    async def close(self) -> None:
        """Wait for the running transcription, then free the model."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._model is not None:
            self._model.close()

    def _load(self) -> None:
        from moonshine_voice import ModelArch, Transcriber

        # The listener has found the speech already; the engine's own gate hears words in noise.
        options = {"vad_threshold": "0", "return_audio_data": "false"}
        self._model = Transcriber(str(self._model_dir), ModelArch.TINY, options=options)

    def _transcribe(self, pcm: np.ndarray) -> str:
        samples = soxr.resample(pcm.astype(np.float32) / 32768, 8000, _MODEL_RATE_HZ)
        lines = self._model.transcribe_without_streaming(samples.tolist(), _MODEL_RATE_HZ).lines
        return " ".join(line.text.strip() for line in lines).strip()
