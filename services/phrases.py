"""Fixed phrases, synthesised once and kept as PCM."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path


class PhraseStore:
    """Keeps what a voice says word for word, so that a greeting needs no synthesis.

    A phrase is kept by voice, text and rate: a file of 16-bit mono PCM whose name is their SHA-256.
    Files are written whole or not at all, so that several processes may share a folder.
    """

    def __init__(self, folder: Path | str):
        """Initialize; the folder is made at the first phrase."""
        self._folder = Path(folder)
        self._pending: dict[Path, asyncio.Lock] = {}

    async def get(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> bytes | None:
        """The phrase as 16-bit mono PCM, or None if it was never synthesised."""
        return await asyncio.to_thread(_read, self._path(tts_spec, voice, text, rate_hz))

    async def ensure(
        self,
        tts_spec: str,
        voice: str,
        text: str,
        rate_hz: int,
        synthesize: Callable[[], Awaitable[bytes]],
    ) -> bytes:
        """The phrase, synthesised and kept if it was not there; once for callers at the same time.

        Args:
            tts_spec: ``provider/model``.
            voice: The provider's name or id of the voice.
            text: What is said.
            rate_hz: Rate of the PCM.
            synthesize: Gives the PCM; an exception of it is passed on, and nothing is kept.

        Raises:
            ValueError: If ``synthesize`` gives no audio.
            OSError: If the folder cannot be written.
        """
        path = self._path(tts_spec, voice, text, rate_hz)
        lock = self._pending.setdefault(path, asyncio.Lock())
        try:
            async with lock:
                pcm = await asyncio.to_thread(_read, path)
                if pcm is None:
                    pcm = await synthesize()
                    if not pcm:
                        raise ValueError(f"{tts_spec} gave no audio for a phrase of {voice}")
                    await asyncio.to_thread(_write, path, pcm)
                return pcm
        finally:
            if not lock.locked():
                self._pending.pop(path, None)

    def _path(self, tts_spec: str, voice: str, text: str, rate_hz: int) -> Path:
        key = "\0".join((tts_spec, voice, str(rate_hz), text))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.pcm"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() or None
    except FileNotFoundError:
        return None


def _write(path: Path, pcm: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pcm)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
