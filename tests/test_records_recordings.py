import struct
import uuid
from pathlib import Path

import numpy as np
import pytest

from records.recordings import RecordingError, Recordings
from records.wav import StereoWavWriter, TapeError, read_stereo


@pytest.fixture
def tape(tmp_path) -> Path:
    path = tmp_path / "tape.wav"
    with StereoWavWriter(path, 8000) as writer:
        writer.write(np.arange(1000, dtype=np.int16), np.zeros(1000, np.int16))
    return path


@pytest.fixture(params=["file", "path", "memory"])
def recordings(request, tmp_path) -> Recordings:
    base = {
        "file": f"file://{tmp_path}/kept/here",
        "path": f"{tmp_path}/kept/here/",
        "memory": f"memory://{uuid.uuid4()}/kept",
    }
    return Recordings(base[request.param])


async def test_a_recording_is_kept_and_read_back(recordings, tape):
    content = tape.read_bytes()
    uri = await recordings.keep(tape, "call-+15557777001_aB")
    assert uri.endswith("/call-+15557777001_aB.wav") and "://" in uri
    assert not tape.exists()
    assert await recordings.size(uri) == len(content)
    assert await recordings.read(uri) == content
    with recordings.open(uri) as file:
        file.seek(44)
        assert file.read(4) == content[44:48]


async def test_ranges_are_those_of_the_bytes(recordings, tape):
    content = tape.read_bytes()
    uri = await recordings.keep(tape, "c1")
    assert await recordings.read(uri, 0, 44) == content[:44]
    assert await recordings.read(uri, 100, 1) == content[100:101]
    assert await recordings.read(uri, 4000) == content[4000:]
    assert await recordings.read(uri, 4000, 9999) == content[4000:]


async def test_keeping_twice_gives_the_same_uri(recordings, tape):
    uri = await recordings.keep(tape, "c1")
    assert await recordings.keep(tape, "c1") == uri


async def test_a_recording_left_by_a_crash_is_mended(tmp_path, tape):
    content = tape.read_bytes()
    tape.write_bytes(content[:40] + struct.pack("<I", 0) + content[44:])
    uri = await Recordings(f"file://{tmp_path}/kept").keep(tape, "c1")
    assert uri == f"file://{tmp_path}/kept/c1.wav"
    head = (tmp_path / "kept/c1.wav").read_bytes()[40:44]
    assert struct.unpack("<I", head) == (4000,)
    assert len(read_stereo(tmp_path / "kept/c1.wav")[0]) == 1000


async def test_what_is_not_there_or_no_recording_is_named(recordings, tmp_path):
    with pytest.raises(TapeError, match="no such file"):
        await recordings.keep(tmp_path / "gone.wav", "c1")
    (tmp_path / "odd.wav").write_bytes(b"x" * 100)
    with pytest.raises(TapeError, match="not a recording"):
        await recordings.keep(tmp_path / "odd.wav", "c1")
    assert (tmp_path / "odd.wav").exists()
    missing = f"{recordings.base_uri}/none.wav"
    for ask in (recordings.size, recordings.read):
        with pytest.raises(RecordingError, match="none.wav: no such recording") as refused:
            await ask(missing)
        assert refused.value.code == "not_found"
    with pytest.raises(RecordingError, match="no such recording"):
        recordings.open(missing)


@pytest.mark.parametrize("call_id", ["", "../etc/passwd", "a/b", ".hidden", "a\0b"])
async def test_a_call_id_cannot_lead_out_of_the_folder(recordings, tape, call_id):
    with pytest.raises(RecordingError) as refused:
        await recordings.keep(tape, call_id)
    assert refused.value.code == "bad_call_id"
    assert tape.exists()


async def test_a_place_that_cannot_be_written_keeps_the_recording_where_it_is(tape):
    recordings = Recordings("file:///proc/none")
    with pytest.raises(RecordingError):
        await recordings.keep(tape, "c1")
    assert tape.exists()


def test_an_unknown_place_is_named():
    with pytest.raises(RecordingError, match="nope") as refused:
        Recordings("nope://x")
    assert refused.value.code == "bad_uri"


def test_a_missing_driver_is_named():
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(RecordingError, match="s3fs") as refused:
            Recordings("s3://bucket/calls")
        assert refused.value.code == "driver_missing"
    else:
        assert Recordings("s3://bucket/calls").base_uri == "s3://bucket/calls"
