import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loguru import logger

from local.providers.engines import EngineError, Engines, _voice
from local.providers.flite_voice import FliteVoice
from local.providers.moonshine import todays_spelling
from local.providers.onnx_split import split_voice
from local.providers.recognizer_pool import RecognizerPool, Urgency
from local.providers.speech_gate import SpeechGate
from local.providers.voice_pool import Piece, SynthesisError, VoicePool

FLITE = f"""#!{sys.executable}
import sys, wave
assert sys.argv[-2:] == ["-o", "/dev/stdout"], sys.argv
if "fail" in sys.argv:
    sys.exit(1)
import io
out = io.BytesIO()
with wave.open(out, "wb") as wav:
    wav.setnchannels(1)
    wav.setsampwidth(2)
    wav.setframerate(16000)
    wav.writeframes(bytes(3200) + (b"\\x00\\x20\\x00\\xe0" * 4000) + bytes(3200))
sys.stdout.buffer.write(out.getvalue())
"""


@pytest.fixture
def flite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something on the path that is called as flite is: half a second of sound in silence."""
    program = tmp_path / "bin" / "flite"
    program.parent.mkdir()
    program.write_text(FLITE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))


@pytest.fixture
def no_flite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {message}")
    yield lines
    logger.remove(sink)


def test_without_piper_the_bot_speaks_with_flite_and_says_how_to_mend_it(
    flite: None, tmp_path: Path, log: list[str]
):
    assert _voice(tmp_path, "piper").name == "flite"
    (line,) = log
    assert line.startswith("WARNING")
    assert "python -m local.models" in line


def test_without_any_voice_it_says_what_to_install(no_flite: None, tmp_path: Path):
    with pytest.raises(EngineError, match="install flite"):
        _voice(tmp_path, "flite")


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path):
    with pytest.raises(EngineError, match="python -m local.models --whisper"):
        Engines.load(tmp_path, stt="whisper")


def test_the_recogniser_writes_the_spelling_of_today():
    heard = "To-morrow evening, not to-day; a to-do for to-night."
    assert todays_spelling(heard) == "Tomorrow evening, not today; a to-do for tonight."


def test_flite_speaks_a_sentence_in_one_trimmed_piece(flite: None):
    (piece,) = FliteVoice().pieces("two words", 8000, 1.0, last=True)
    assert piece.secs == pytest.approx(0.61, abs=0.01)  # 10 ms, half a second, 100 ms
    assert len(piece.pcm) == pytest.approx(piece.secs * 16000, abs=4)
    assert piece.words == ["two", "words"]


def test_flite_that_fails_is_a_synthesis_error(flite: None):
    with pytest.raises(SynthesisError, match="flite cannot speak"):
        list(FliteVoice().pieces("fail", 8000, 1.0, last=True))


def test_a_file_that_is_no_voice_is_refused():
    with pytest.raises(ValueError, match="not a Piper voice"):
        split_voice(b"")


class SlowRecognizer:
    """Transcribes when it is let; notes the order."""

    name = "slow"

    def __init__(self):
        self.order: list[int] = []
        self.let = threading.Event()
        self.busy = threading.Event()

    def transcribe(self, samples: np.ndarray) -> str:
        if len(samples) == 16000:  # the warm-up
            return ""
        self.busy.set()
        assert self.let.wait(10)
        self.order.append(len(samples))
        return str(len(samples))


async def test_a_final_overtakes_what_is_less_urgent():
    slow = SlowRecognizer()
    pool = RecognizerPool([slow])
    first = pool.submit(bytes(2), 16000, Urgency.INTERIM)
    await asyncio.to_thread(slow.busy.wait, 10)
    jobs = [
        pool.submit(bytes(2 * size), 16000, urgency)
        for size, urgency in ((4, Urgency.INTERIM), (3, Urgency.AHEAD), (2, Urgency.FINAL))
    ]
    dropped = pool.submit(bytes(10), 16000, Urgency.FINAL)
    dropped.cancel()
    slow.let.set()
    assert await asyncio.gather(first, *jobs) == ["1", "4", "3", "2"]
    assert slow.order == [1, 2, 3, 4]
    pool.close()


class BrokenRecognizer(SlowRecognizer):
    def transcribe(self, samples: np.ndarray) -> str:
        if len(samples) != 16000:
            raise RuntimeError("no")
        return ""


async def test_a_model_that_fails_fails_its_job_and_works_on():
    pool = RecognizerPool([BrokenRecognizer()])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no"):
            await pool.submit(bytes(2), 16000, Urgency.FINAL)
    pool.close()


class OrderedVoice:
    """Two pieces of one second a text; notes the order once it is let."""

    name = "ordered"

    def __init__(self):
        self.order: list[str] = []
        self.let = threading.Event()

    def pieces(self, text: str, rate_hz: int, speed: float, *, last: bool) -> Iterator[Piece]:
        for _ in range(2):
            if not text.startswith("Hello"):  # the warm-up
                assert self.let.wait(10)
                self.order.append(text)
            yield Piece(b"", 1.0)


async def test_the_first_word_of_one_call_does_not_wait_for_the_long_answer_of_another():
    voice = OrderedVoice()
    pool = VoicePool(voice, workers=1, now=lambda: 0.0)

    async def finish(name: str, ahead_secs: float) -> None:
        job = pool.submit(name, 8000, ahead_secs=ahead_secs, speed=1.0, last=True)
        while await job.queue.get() is not None:
            pass

    finished = [asyncio.create_task(finish(n, a)) for n, a in (("first", 0.0), ("later", 5.0))]
    await asyncio.sleep(0)
    finished.append(asyncio.create_task(finish("other call", 0.5)))
    await asyncio.sleep(0)
    voice.let.set()
    await asyncio.gather(*finished)
    assert voice.order == ["first", "other call", "first", "other call", "later", "later"]
    pool.close()


def test_the_gate_hears_speech_above_the_noise_of_the_line():
    gate = SpeechGate()
    chance = np.random.default_rng(1)
    noise = [chance.normal(0, 60, 320).astype(np.int16) for _ in range(100)]
    assert sum(gate.is_speech(frame) for frame in noise) == 0
    assert gate.is_speech(chance.normal(0, 1500, 320).astype(np.int16))
