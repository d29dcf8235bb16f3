"""Keeps recordings where a URI says: a folder, a bucket, memory."""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from records.wav import repair_wav

_CALL_ID = re.compile(r"[\w+@=-][\w.+@=-]*")

T = TypeVar("T")


class RecordingError(Exception):
    """A recording cannot be kept or found.

    Parameters:
        code: ``bad_uri``, ``driver_missing``, ``bad_call_id``, ``not_found`` or ``unavailable``.
        retryable: Whether the same may work later.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False):
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Recordings:
    """Recordings by fsspec. All work on files runs in a thread."""

    def __init__(self, base_uri: str):
        """Choose the place; nothing is opened yet.

        Args:
            base_uri: ``file:///PATH`` or a plain path, ``memory://NAME``, ``s3://BUCKET/PATH``
                (needs the package ``s3fs``), or whatever else fsspec has a driver for.

        Raises:
            RecordingError: ``bad_uri`` or ``driver_missing``.
        """
        self.base_uri = base_uri
        self._files, root = _place(base_uri)
        self._root = root.rstrip("/")

    async def keep(self, local_path: str | Path, call_id: str) -> str:
        """Mend a recording if a crash left it unfinished, and move it to its place.

        Returns:
            Its URI. The same again if it had been moved before.

        Raises:
            RecordingError: If it is not there or cannot be moved; then it stays where it is.
            TapeError: If it is no recording; it stays where it is.
        """
        if not _CALL_ID.fullmatch(call_id):
            raise RecordingError("bad_call_id", f"{call_id!r} cannot name a file")
        target = f"{self._root}/{call_id}.wav"
        return await _in_thread(target, self._keep, Path(local_path), target)

    def open(self, uri: str) -> IO[bytes]:
        """Open a recording to read; the file can seek. Blocks: not for the event loop.

        Raises:
            RecordingError: If it cannot be found or reached.
        """
        files, path = _place(uri)
        with _named(uri):
            return files.open(path, "rb")

    async def size(self, uri: str) -> int:
        """Return the size of a recording in bytes.

        Raises:
            RecordingError: If it cannot be found or reached.
        """
        files, path = _place(uri)
        return int(await _in_thread(uri, files.size, path))

    async def read(self, uri: str, start: int = 0, length: int | None = None) -> bytes:
        """Read ``length`` bytes from ``start`` on, fewer at the end of the file; None reads all.

        Raises:
            RecordingError: If it cannot be found or reached.
        """
        files, path = _place(uri)
        end = None if length is None else start + length
        return await _in_thread(uri, lambda: files.cat_file(path, start=start, end=end))

    def _keep(self, local: Path, target: str) -> str:
        uri = str(self._files.unstrip_protocol(target))
        if not local.exists() and self._files.exists(target):
            return uri
        repair_wav(local)
        self._files.makedirs(self._root, exist_ok=True)
        if isinstance(self._files, LocalFileSystem):
            _move(local, Path(target))
        else:
            self._files.put_file(str(local), target)
            local.unlink()
        return uri


def _move(local: Path, target: Path) -> None:
    """Move within or between disks; ``target`` is there whole or not at all."""
    try:
        os.replace(local, target)
    except OSError:
        # Another disk: what is copied is no recording before it has its name.
        part = target.with_suffix(".part")
        shutil.copyfile(local, part)
        os.replace(part, target)
        local.unlink()


def _place(uri: str) -> tuple[Any, str]:
    try:
        return fsspec.url_to_fs(uri)
    except ImportError as e:
        raise RecordingError("driver_missing", f"{uri}: {e}") from e
    except ValueError as e:
        raise RecordingError("bad_uri", f"{uri}: {e}") from e


async def _in_thread(what: str, work: Callable[..., T], *args: Any) -> T:
    with _named(what):
        return await asyncio.to_thread(work, *args)


@contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as e:
        raise RecordingError("not_found", f"{what}: no such recording") from e
    except OSError as e:
        raise RecordingError("unavailable", f"{what}: {e}", retryable=True) from e
