"""Stereo WAV files: written while a call runs, mended after a crash, read whole."""

import os
import struct
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np

from records.g711 import ALAW, ULAW

FLUSH_SECS = 0.5
MIN_RATE_HZ = 8000
MAX_RATE_HZ = 48000
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_FRAME_BYTES = 4


class TapeError(Exception):
    """A file that cannot be measured or mended as a stereo recording.

    Parameters:
        code: ``not_found``, ``unreadable``, ``not_wav``, ``truncated``, ``wrong_format``,
            ``wrong_channels`` or ``wrong_rate``.
    """

    retryable = False

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class StereoWavWriter:
    """Streams a 16-bit stereo recording to disk: left the caller, right the bot.

    Samples and a header that fits them reach the operating system every ``FLUSH_SECS`` of audio, so
    a process that dies loses no more, and ``repair_wav`` mends what it left. Not thread-safe.
    """

    def __init__(self, path: str | Path, rate_hz: int):
        """Create the file, over an older one.

        Args:
            path: Where; its folder must exist.
            rate_hz: Samples a second on each side.

        Raises:
            OSError: If the file cannot be created.
        """
        self.path = Path(path)
        self.rate_hz = rate_hz
        self._flush_bytes = int(FLUSH_SECS * rate_hz) * _FRAME_BYTES
        self._pending = bytearray()
        self._data_bytes = 0
        self._file: BinaryIO = open(self.path, "wb", buffering=0)  # noqa: SIM115
        self._write_header()

    @property
    def secs(self) -> float:
        """Seconds of audio taken so far."""
        return (self._data_bytes + len(self._pending)) / (_FRAME_BYTES * self.rate_hz)

    def write(self, left: np.ndarray, right: np.ndarray) -> None:
        """Add audio to both sides.

        Args:
            left: The caller, int16.
            right: The bot, int16, as many samples.

        Raises:
            ValueError: If the sides differ in length.
            OSError: If the disk refuses; nothing is lost of what was written before.
        """
        if len(left) != len(right):
            raise ValueError(f"left has {len(left)} samples, right {len(right)}")
        frames = np.empty((len(left), 2), dtype="<i2")
        frames[:, 0] = left
        frames[:, 1] = right
        self._pending += frames.tobytes()
        if len(self._pending) >= self._flush_bytes:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        if not self._pending:
            return
        data = bytes(self._pending)
        self._file.seek(_HEADER.size + self._data_bytes)
        _write_all(self._file, data)
        self._pending.clear()
        self._data_bytes += len(data)
        self._write_header()

    def close(self) -> None:
        """Flush and close; safe to call twice."""
        if self._file.closed:
            return
        try:
            self.flush()
        finally:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_header(self) -> None:
        self._file.seek(0)
        _write_all(self._file, _header(self.rate_hz, self._data_bytes))


def repair_wav(path: str | Path) -> bool:
    """Make the header of a ``StereoWavWriter`` file fit what is on disk.

    Returns:
        True if something had to be mended.

    Raises:
        TapeError: If the file is gone or was not written by ``StereoWavWriter``.
    """
    path = Path(path)
    head = _open_bytes(path, _HEADER.size)
    if len(head) < _HEADER.size:
        raise TapeError("truncated", f"{path.name}: shorter than a WAV header")
    fields = _HEADER.unpack(head)
    if (fields[0], fields[2], fields[3], fields[6], fields[11]) != (
        (b"RIFF", b"WAVE", b"fmt ", 2, b"data")
    ):
        raise TapeError("not_wav", f"{path.name}: not a recording of a call")
    on_disk = path.stat().st_size - _HEADER.size
    whole = on_disk - on_disk % _FRAME_BYTES
    good = _header(fields[7], whole)
    if head == good and whole == on_disk:
        return False
    with open(path, "r+b") as file:
        file.write(good)
        file.truncate(_HEADER.size + whole)
    return True


def read_stereo(path: str | Path) -> tuple[np.ndarray, np.ndarray, int]:
    """Read a stereo recording: 16-bit PCM or 8-bit G.711, 8 to 48 kHz.

    A header left by a crash is no hindrance: what is there is read.

    Returns:
        Left and right as int16, and the sampling rate in Hz.

    Raises:
        TapeError: If the file is anything else; its message says what it is.
    """
    path = Path(path)
    chunks = _chunks(path.name, _open_bytes(path))
    form = chunks.get(b"fmt ", b"")
    if len(form) < 16 or b"data" not in chunks:
        raise TapeError("truncated", f"{path.name}: the WAV has no format or no data")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if kind == _EXTENSIBLE and len(form) >= 26:
        kind = struct.unpack_from("<H", form, 24)[0]
    if channels != 2:
        raise TapeError(
            "wrong_channels", f"{path.name}: {channels} channel(s), not 2 (left caller, right bot)"
        )
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise TapeError(
            "wrong_rate", f"{path.name}: {rate_hz} Hz, not {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    samples = _decode(path.name, kind, bits, chunks[b"data"])
    samples = samples[: len(samples) // 2 * 2].reshape(-1, 2)
    return np.ascontiguousarray(samples[:, 0]), np.ascontiguousarray(samples[:, 1]), rate_hz


def _decode(name: str, kind: int, bits: int, data: memoryview) -> np.ndarray:
    if (kind, bits) == (_PCM, 16):
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16, copy=False)
    if bits == 8 and kind in (_ULAW, _ALAW):
        return (ULAW if kind == _ULAW else ALAW)[np.frombuffer(data, dtype=np.uint8)]
    raise TapeError(
        "wrong_format",
        f"{name}: WAV format {kind} with {bits} bits, not 16-bit PCM (1) or 8-bit G.711 (6, 7)",
    )


def _chunks(name: str, whole: bytes) -> dict[bytes, memoryview]:
    if whole[:4] != b"RIFF" or whole[8:12] != b"WAVE":
        raise TapeError("not_wav", f"{name}: not a WAV file")
    view, chunks, at = memoryview(whole), {}, 12
    while at + 8 <= len(view):
        kind, size = struct.unpack_from("<4sI", view, at)
        # A stream that was cut leaves 0 or a huge size here.
        left = len(view) - at - 8
        if kind == b"data" and (size == 0 or size > left):
            size = left
        chunks.setdefault(bytes(kind), view[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return chunks


def _header(rate_hz: int, data_bytes: int) -> bytes:
    size = min(data_bytes, 0xFFFFFFFF - 36)
    return _HEADER.pack(
        b"RIFF", 36 + size, b"WAVE",
        b"fmt ", 16, _PCM, 2, rate_hz, rate_hz * _FRAME_BYTES, _FRAME_BYTES, 16,
        b"data", size,
    )  # fmt: skip


def _open_bytes(path: Path, limit: int = -1) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except FileNotFoundError as e:
        raise TapeError("not_found", f"{path}: no such file") from e
    except OSError as e:
        raise TapeError("unreadable", f"{path}: {os.strerror(e.errno or 0)}") from e


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
