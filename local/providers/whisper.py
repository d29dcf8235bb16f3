"""Speech to text by Whisper tiny.en: fewer word errors, three times the CPU and the delay."""

from pathlib import Path

import numpy as np

_NO_SPEECH = 0.6


class WhisperRecognizer:
    """One CTranslate2 model at int8, one thread, beam 1."""

    name = "whisper-tiny.en"

    def __init__(self, folder: Path):
        """Load the four files of the model.

        Raises:
            ImportError: If the extra ``whisper`` is not installed.
        """
        from faster_whisper import WhisperModel

        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1
        )

    def transcribe(self, samples: np.ndarray) -> str:
        """Text of 16 kHz mono float32 samples; nothing for what the model takes for noise."""
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(samples, np.float32),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        # "You" and "Thank you." are what it makes of silence, with 0.73 and more.
        kept = [segment.text.strip() for segment in segments if segment.no_speech_prob < _NO_SPEECH]
        return " ".join(kept).strip()
