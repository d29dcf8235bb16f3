import os
import signal
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from records.g711 import ALAW, ULAW
from records.wav import StereoWavWriter, TapeError, read_stereo, repair_wav

LEFT = np.arange(-400, 400, dtype=np.int16)
RIGHT = -LEFT


def test_both_sides_come_back_as_written(tmp_path):
    with StereoWavWriter(tmp_path / "a.wav", 16000) as writer:
        writer.write(LEFT[:300], RIGHT[:300])
        writer.write(LEFT[300:], RIGHT[300:])
        assert writer.secs == 0.05
    left, right, rate_hz = read_stereo(tmp_path / "a.wav")
    assert (left.tolist(), right.tolist(), rate_hz) == (LEFT.tolist(), RIGHT.tolist(), 16000)
    assert left.dtype == np.int16


def test_other_programs_can_read_the_recording(tmp_path):
    with StereoWavWriter(tmp_path / "a.wav", 8000) as writer:
        writer.write(LEFT, RIGHT)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 800)


def test_an_empty_recording_is_a_wav(tmp_path):
    StereoWavWriter(tmp_path / "a.wav", 8000).close()
    assert [len(side) for side in read_stereo(tmp_path / "a.wav")[:2]] == [0, 0]


def test_a_running_recording_is_on_disk_but_for_half_a_second(tmp_path):
    writer = StereoWavWriter(tmp_path / "a.wav", 8000)
    twenty_ms = np.ones(160, np.int16)
    for _ in range(60):
        writer.write(twenty_ms, twenty_ms)
    on_disk = len(read_stereo(tmp_path / "a.wav")[0])
    assert not repair_wav(tmp_path / "a.wav")
    writer.close()
    writer.close()
    assert 60 * 160 - on_disk <= 4000
    assert len(read_stereo(tmp_path / "a.wav")[0]) == 60 * 160


KILLED = """
import sys, numpy as np
from records.wav import StereoWavWriter
writer = StereoWavWriter(sys.argv[1], 8000)
for _ in range(110):
    writer.write(np.full(160, 7, np.int16), np.full(160, 9, np.int16))
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_loses_less_than_a_second(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "a.wav")],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout and child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    left, right, _ = read_stereo(tmp_path / "a.wav")
    assert 110 * 160 - len(left) <= 4000
    assert set(left) == {7} and set(right) == {9}


@pytest.mark.parametrize("tail", [b"", b"\x01", b"\x01\x02\x03", b"\x00" * 400])
def test_a_header_that_fell_behind_is_mended(tmp_path, tail):
    path = tmp_path / "a.wav"
    with StereoWavWriter(path, 8000) as writer:
        writer.write(LEFT, RIGHT)
    with open(path, "r+b") as file:
        file.seek(40)
        file.write(struct.pack("<I", 0))
        file.seek(0, os.SEEK_END)
        file.write(tail)
    assert repair_wav(path)
    assert not repair_wav(path)
    with wave.open(str(path)) as file:
        assert file.getnframes() == 800 + len(tail) // 4
    assert path.stat().st_size == 44 + 3200 + len(tail) // 4 * 4


@pytest.mark.parametrize("content", [b"", b"RIFF", b"x" * 100])
def test_what_was_never_a_recording_is_not_mended(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(TapeError):
        repair_wav(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == content


def test_sides_of_different_length_are_refused(tmp_path):
    with (
        StereoWavWriter(tmp_path / "a.wav", 8000) as writer,
        pytest.raises(ValueError, match="799"),
    ):
        writer.write(LEFT, RIGHT[1:])


def riff(kind=1, channels=2, rate_hz=8000, bits=16, data=b"\0" * 8, extra=b"", size=None):
    form = struct.pack("<HHIIHH", kind, channels, rate_hz, 0, channels * bits // 8, bits) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"LIST" + struct.pack("<I", 3) + b"abc\0"
    body += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("size", [None, 0, 0xFFFFFFFF])
def test_foreign_wavs_are_read_whatever_their_header_says_of_the_length(tmp_path, size):
    (tmp_path / "a.wav").write_bytes(riff(data=b"\1\0\2\0\3\0\4\0\5", size=size))
    left, right, _ = read_stereo(tmp_path / "a.wav")
    assert (left.tolist(), right.tolist()) == ([1, 3], [2, 4])


def test_extensible_pcm_is_read(tmp_path):
    extra = struct.pack("<HHIH", 22, 16, 3, 1) + b"\0" * 14
    (tmp_path / "a.wav").write_bytes(riff(kind=0xFFFE, extra=extra))
    assert len(read_stereo(tmp_path / "a.wav")[0]) == 2


@pytest.mark.parametrize("kind, samples", [(7, [-32124, 32124]), (6, [-8, 8])])
def test_g711_wavs_are_read(tmp_path, kind, samples):
    codes = {7: b"\x00\x80", 6: b"\x55\xd5"}[kind]
    (tmp_path / "a.wav").write_bytes(riff(kind=kind, bits=8, data=codes))
    left, right, _ = read_stereo(tmp_path / "a.wav")
    assert [int(left[0]), int(right[0])] == samples


@pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")
def test_g711_tables_are_those_of_a_foreign_decoder():
    audioop = pytest.importorskip("audioop")
    codes = bytes(range(256))
    assert ULAW.astype("<i2").tobytes() == audioop.ulaw2lin(codes, 2)
    assert ALAW.astype("<i2").tobytes() == audioop.alaw2lin(codes, 2)


@pytest.mark.parametrize(
    "content, code, words",
    [
        (riff(channels=1), "wrong_channels", "1 channel"),
        (riff(rate_hz=96000), "wrong_rate", "96000 Hz"),
        (riff(bits=24), "wrong_format", "24 bits"),
        (riff(kind=3, bits=32), "wrong_format", "format 3"),
        (b"OggS" + b"\0" * 60, "not_wav", "not a WAV"),
        (b"", "not_wav", "not a WAV"),
        (riff()[:20], "truncated", "no format"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, content, code, words):
    (tmp_path / "odd.wav").write_bytes(content)
    with pytest.raises(TapeError, match=words) as refused:
        read_stereo(tmp_path / "odd.wav")
    assert refused.value.code == code
    assert "odd.wav" in str(refused.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(TapeError, match="no such file"):
        read_stereo(tmp_path / "none.wav")
    with pytest.raises(TapeError, match="Is a directory"):
        read_stereo(tmp_path)
