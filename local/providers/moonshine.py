"""Speech to text by Moonshine tiny-en."""

import ctypes
import os
import re
from pathlib import Path

import numpy as np

from local.providers.recognizer_pool import MODEL_RATE_HZ

# Before the native library makes its first session. The same latency on short audio, half the CPU,
# and two workers really run side by side.
os.environ.setdefault("MOONSHINE_ORT_SINGLE_THREAD", "1")


class MoonshineRecognizer:
    """One model of about 45 MB.

    The package's loader is not thread-safe: load one after the other.
    """

    name = "moonshine-tiny"

    def __init__(self, folder: Path):
        """Load ``encoder_model.ort``, ``decoder_model_merged.ort`` and ``tokenizer.bin``."""
        from moonshine_voice import ModelArch, Transcriber
        from moonshine_voice.moonshine_api import TranscriptC

        # The model's own segmentation is off: the session knows where speech is, and the built-in
        # one invents a leading "You" on quiet audio.
        options = {"vad_threshold": "0", "return_audio_data": "false"}
        self._model = Transcriber(str(folder), ModelArch.TINY, options=options)
        self._transcript_type = TranscriptC

    def transcribe(self, samples: np.ndarray) -> str:
        """Text of 16 kHz mono float32 samples; at most 15 s at a time."""
        samples = np.ascontiguousarray(samples, np.float32)
        # A view of the buffer: the package's way copies through a Python list, 10-25 ms for 4 s.
        array = (ctypes.c_float * len(samples)).from_buffer(samples.data)
        out = ctypes.POINTER(self._transcript_type)()
        error = self._model._lib.moonshine_transcribe_without_streaming(
            self._model._handle, array, len(samples), MODEL_RATE_HZ, 0, ctypes.byref(out)
        )
        if error < 0:
            raise RuntimeError(f"Moonshine refused the audio, code {error}")
        lines = self._model._parse_transcript(out).lines
        return todays_spelling(" ".join(line.text.strip() for line in lines).strip())


def todays_spelling(text: str) -> str:
    """Join what the model, trained on old books too, writes as "to-morrow" and "to-night"."""
    return re.sub(r"\b(to)-(day|night|morrow)\b", r"\1\2", text, flags=re.IGNORECASE)
