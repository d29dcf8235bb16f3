"""The caller's voice: its lines as telephone audio, made before the call and kept on disk."""

import asyncio
import hashlib
import shutil
import sys
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr

from local.callers.scenario import VoiceSpec
from local.models import models_folder, piper_voice

RATE_HZ = 8000
_RENDER_SECS = 60.0
_PIPER_WORDS_PER_MINUTE = 207
_FLITE_WORDS_PER_MINUTE = 165
_SILENCE = 0.01
_KEEP_TAIL_SECS = 0.06


class VoiceError(Exception):
    """A caller's line cannot be synthesised; the message says what to install."""


class Voice:
    """Renders a caller's lines with flite or Piper, each in a process of its own.

    Piper's only shipped voice is also the bot's, so it is moved up in pitch and formants by
    resampling: it then sounds like another person, and recognises as well. Nothing random is left
    in it, so the same line is the same audio everywhere.
    """

    def __init__(self, spec: VoiceSpec, *, piper_model: Path, cache_dir: Path):
        """Initialize a voice.

        Args:
            spec: How the caller sounds.
            piper_model: The ``.onnx`` file of a Piper voice.
            cache_dir: Where rendered lines are kept.

        Raises:
            VoiceError: If neither engine is there.
        """
        self._spec, self._piper_model, self._cache_dir = spec, piper_model, cache_dir
        self.engine = self._choose_engine()

    @classmethod
    def on_this_machine(cls, spec: VoiceSpec, environ: Mapping[str, str]) -> "Voice":
        """The voice with this machine's models; lines are kept in the cache beside them.

        Args:
            spec: How the person sounds.
            environ: The environment: where models and the cache are.

        Raises:
            VoiceError: If there is no engine.
        """
        models = models_folder(environ)
        return cls(spec, piper_model=piper_voice(models), cache_dir=models.parent / "caller-lines")

    async def render(self, lines: Sequence[str]) -> dict[str, np.ndarray]:
        """Audio of each line: 16-bit mono at 8 kHz, trimmed to speech.

        Raises:
            VoiceError: If the engine fails; with its own last words.
        """
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        absent = [line for line in dict.fromkeys(lines) if not self._path(line).exists()]
        if absent:
            render = self._render_flite if self.engine == "flite" else self._render_piper
            for line, samples, rate_hz in await render(absent):
                _save(self._path(line), self._finish(samples, rate_hz))
        return {line: _load(self._path(line)) for line in lines}

    def _choose_engine(self) -> str:
        flite, wanted = shutil.which("flite"), self._spec.engine
        if wanted == "flite" and not flite:
            raise VoiceError("voice.engine is 'flite', but flite is not installed (Debian: flite)")
        if flite and wanted != "piper":
            return "flite"
        if not self._piper_model.exists():
            raise VoiceError(f"{self._piper_model} is missing: run python -m local.models")
        return "piper"

    def _path(self, line: str) -> Path:
        key = f"{self.engine}|{self._spec.model_dump_json()}|{line}"
        return self._cache_dir / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.wav"

    async def _render_piper(self, lines: list[str]) -> list[tuple[str, np.ndarray, float]]:
        # Faster by ``shift`` once resampled, hence longer before.
        stretch = self._spec.shift * _PIPER_WORDS_PER_MINUTE / self._spec.words_per_minute
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "piper", "-m", str(self._piper_model), "-d", out]
            command += ["--noise-scale", "0", "--noise-w-scale", "0"]
            command += ["--length-scale", f"{stretch:.3f}"]
            await _run(command, "\n".join(" ".join(line.split()) for line in lines) + "\n")
            paths = _in_order(Path(out))
            if len(paths) != len(lines):
                raise VoiceError(f"Piper made {len(paths)} files of {len(lines)} lines")
            rendered = []
            for line, path in zip(lines, paths, strict=True):
                samples, rate_hz = _read_wav(path)
                rendered.append((line, samples, rate_hz * self._spec.shift))
            return rendered

    async def _render_flite(self, lines: list[str]) -> list[tuple[str, np.ndarray, float]]:
        stretch = _FLITE_WORDS_PER_MINUTE / self._spec.words_per_minute
        rendered = []
        with tempfile.TemporaryDirectory() as out:
            for number, line in enumerate(lines):
                path = Path(out) / f"{number}.wav"
                command = ["flite", "-voice", self._spec.flite_voice]
                command += [
                    "--setf",
                    f"duration_stretch={stretch:.3f}",
                    "-t",
                    line,
                    "-o",
                    str(path),
                ]
                await _run(command, "")
                samples, rate_hz = _read_wav(path)
                rendered.append((line, samples, float(rate_hz)))
        return rendered

    def _finish(self, samples: np.ndarray, rate_hz: float) -> np.ndarray:
        """Trimmed to speech, at 8 kHz and at the wanted level."""
        narrow = soxr.resample(samples, rate_hz, RATE_HZ)
        loud = np.flatnonzero(np.abs(narrow) > _SILENCE)
        if not len(loud):
            raise VoiceError("the voice engine returned silence")
        first = max(0, int(loud[0]) - RATE_HZ // 100)
        narrow = narrow[first : int(loud[-1]) + int(_KEEP_TAIL_SECS * RATE_HZ)]
        narrow = narrow * (10 ** (self._spec.level_dbfs / 20) / np.max(np.abs(narrow)))
        return (narrow * 32767).astype(np.int16)


async def _run(command: list[str], text: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_RENDER_SECS):
            _, errors = await process.communicate(text.encode())
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise VoiceError(f"{command[0]} took longer than {_RENDER_SECS:.0f} s") from error
    if process.returncode:
        raise VoiceError(f"the voice engine failed: {errors.decode(errors='replace')[-300:]}")


def _in_order(folder: Path) -> list[Path]:
    # Piper names its files by time stamps, in the order of the lines.
    return sorted(folder.glob("*.wav"), key=lambda path: int(path.stem))


def _read_wav(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path), "rb") as wav:
        frames = wav.readframes(wav.getnframes())
        return np.frombuffer(frames, "<i2").astype(np.float32) / 32768, wav.getframerate()


def _save(path: Path, pcm: np.ndarray) -> None:
    part = path.with_suffix(f".{id(pcm):x}.part")
    with wave.open(str(part), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE_HZ)
        wav.writeframes(pcm.astype("<i2").tobytes())
    part.replace(path)


def _load(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").copy()
