"""The voice of Debian's flite: robotic, but tiny and free of the GPL."""

import io
import shutil
import subprocess
import wave
from collections.abc import Iterator

import numpy as np
import soxr

from local.providers.speech_edges import to_pcm, trim_lead, trim_tail, word_times
from local.providers.voice_pool import Piece, SynthesisError

_LIMIT_SECS = 20.0


class FliteVoice:
    """One process a sentence; no word durations, so words are spread by letters."""

    name = "flite"

    def __init__(self, voice: str = "slt"):
        """Find flite.

        Raises:
            OSError: If it is not installed.
        """
        binary = shutil.which("flite")
        if not binary:
            raise OSError("flite is not installed (Debian package: flite)")
        self._binary = binary
        self._voice = voice

    def pieces(self, text: str, rate_hz: int, speed: float, *, last: bool) -> Iterator[Piece]:
        """Audio of a sentence, in one piece."""
        command = [self._binary, "-voice", self._voice, "--setf", f"duration_stretch={1 / speed}"]
        command += ["-t", text, "-o", "/dev/stdout"]
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=_LIMIT_SECS)
            with wave.open(io.BytesIO(done.stdout)) as wav:
                source_hz = wav.getframerate()
                samples = np.frombuffer(wav.readframes(wav.getnframes()), np.int16)
        except (OSError, subprocess.SubprocessError, wave.Error, EOFError) as error:
            raise SynthesisError(f"flite cannot speak this text: {error}") from error
        sound, _ = trim_lead(samples.astype(np.float32) / 32768, source_hz)
        sound = trim_tail(sound, source_hz, last=last)
        words = text.split()
        starts, ends = word_times(words, [], 0.0, len(sound) / source_hz)
        if rate_hz != source_hz and len(sound):
            sound = soxr.resample(sound, source_hz, rate_hz)
        yield Piece(to_pcm(sound), len(sound) / rate_hz, words, starts, ends)
