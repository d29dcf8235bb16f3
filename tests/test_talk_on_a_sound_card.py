"""``switchboard talk``: the real command, heard and answered on a sound card without hardware."""

import asyncio
import importlib.util
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from local.callers.ears import Ears
from local.callers.scenario import VoiceSpec
from local.callers.voice import Voice
from local.models import missing, models_folder, moonshine_folder, piper_voice
from tests.fakes_providers import providers_process
from tests.fakes_sound_card import (
    SoundCard,
    Speaker,
    missing_programs,
)

ROOT = Path(__file__).parent.parent
MODELS = models_folder(os.environ)
QUESTION, GOODBYE = "When do you open on Sunday?", "Thanks and see you on Sunday."
KEYS = {f"{name}_API_KEY": "local" for name in ("DEEPGRAM", "OPENAI", "CARTESIA")}
COMMAND = [sys.executable, "-m", "server.cli", "talk", "receptionist"]


def _what_is_missing() -> str:
    if programs := missing_programs():
        return f"{', '.join(programs)} (Debian: pulseaudio pulseaudio-utils libasound2-plugins)"
    if not importlib.util.find_spec("pyaudio"):
        return "PyAudio (make mic)"
    return ", ".join(file.path for file in missing(MODELS)) and "the speech models (make models)"


pytestmark = pytest.mark.alone
MISSING = _what_is_missing()
with_a_sound_card = pytest.mark.skipif(bool(MISSING), reason=f"no sound card: needs {MISSING}")


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Iterator[SoundCard]:
    with SoundCard.open(tmp_path_factory.mktemp("card")) as card:
        yield card


@pytest.fixture(scope="module")
def providers(tmp_path_factory) -> Iterator[dict[str, str]]:
    with providers_process(tmp_path_factory.mktemp("providers")) as (_, port):
        yield KEYS | {
            "DEEPGRAM_URL": f"ws://127.0.0.1:{port}",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "CARTESIA_URL": f"ws://127.0.0.1:{port}/tts/websocket",
        }


@pytest.fixture(scope="module")
def lines() -> dict[str, np.ndarray]:
    voice = Voice(
        VoiceSpec(), piper_model=piper_voice(MODELS), cache_dir=MODELS.parent / "caller-lines"
    )
    return asyncio.run(voice.render([QUESTION, GOODBYE]))


class Talk:
    """A running ``switchboard talk`` and what it prints."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.printed: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, start: str, secs: float = 20) -> str:
        """The next line that begins like this."""
        until = time.monotonic() + secs
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {start!r} in {self.printed}") from None
            self.printed.append(line)
            if line.startswith(start):
                return line

    def ended(self, secs: float = 10) -> tuple[int, str]:
        """The exit status, and everything on stderr."""
        status = self.process.wait(secs)
        self._reader.join()
        assert self.process.stderr
        return status, self.process.stderr.read()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))


@contextmanager
def talking(
    environ: dict[str, str], data: Path, *arguments: str, command: Sequence[str] = COMMAND
) -> Iterator[Talk]:
    # Whoever waits for a line gets it at once, whatever Python's own buffer is told.
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=ROOT,
        env={**plain, **environ, "SWITCHBOARD_DATA": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    talk = Talk(process)
    try:
        yield talk
    finally:
        if process.poll() is None:
            process.kill()
        talk.ended()
        assert process.stdout and process.stderr
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    ears = asyncio.run(Ears.open(moonshine_folder(MODELS)))
    yield ears
    asyncio.run(ears.close())


async def _words(ears: Ears, speaker: Speaker) -> list[str]:
    """Each utterance that came out of the speaker, in lower case."""
    return [(await ears.transcribe(u.pcm)).lower() for u in speaker.utterances]


@with_a_sound_card
async def test_a_question_at_the_microphone_is_answered_at_the_speaker_until_ctrl_c(
    card, providers, lines, ears, tmp_path
):
    with card.listening() as speaker, talking(providers | card.environ, tmp_path) as talk:
        talk.wait_for("bot: Blue Door")
        card.speak(lines[QUESTION])
        talk.wait_for("you: ")
        talk.wait_for("     opening_hours(")
        talk.wait_for("bot: We are open")
        talk.process.send_signal(signal.SIGINT)
        assert talk.ended() == (0, ""), talk.printed
    greeting, *answer = await _words(ears, speaker)
    assert "blue door" in greeting, greeting
    words = set(re.findall(r"\w+", " ".join(answer)))
    assert "open" in words and words & {"noon", "12", "twelve"}, answer
    assert speaker.share_above(4000) > 0.002


@with_a_sound_card
async def test_a_goodbye_through_a_phone_is_understood_and_ends_it(
    card, providers, lines, ears, tmp_path
):
    with (
        card.listening() as speaker,
        talking(providers | card.environ, tmp_path, "--phone") as talk,
    ):
        talk.wait_for("bot: Blue Door")
        card.speak(lines[GOODBYE])
        talk.wait_for("     end_call(")
        talk.wait_for("bot: Thank you")
        talk.wait_for("The conversation is over: completed")
        assert talk.ended() == (0, ""), talk.printed
    words = " ".join(await _words(ears, speaker))
    assert "blue door" in words and "thank you for calling" in words, words
    assert speaker.share_above(4000) < 0.0001


@with_a_sound_card
def test_ctrl_c_stops_the_bot_in_the_middle_of_a_word(card, providers, tmp_path):
    with card.listening() as speaker, talking(providers | card.environ, tmp_path) as talk:
        talk.wait_for("receptionist is listening")
        speaker.wait_for_sound()
        pressed_at = time.monotonic()
        talk.process.send_signal(signal.SIGINT)
        assert talk.ended() == (0, ""), talk.printed
        assert time.monotonic() - pressed_at < 4
    assert (
        sum(u.ended_at - u.started_at for u in speaker.utterances) < 1.5
    )  # the whole greeting takes 2.2 s


@with_a_sound_card
def test_a_sound_card_that_is_pulled_out_ends_it_with_a_sentence(providers, tmp_path):
    (tmp_path / "card").mkdir()
    with (
        SoundCard.open(tmp_path / "card") as card,
        talking(providers | card.environ, tmp_path) as talk,
    ):
        talk.wait_for("receptionist is listening")
        card.unplug()
        status, errors = talk.ended()
    assert status == 1
    assert errors.splitlines()[-1].startswith("switchboard: The microphone or the speaker is gone")
    assert "Traceback" not in errors


@pytest.mark.skipif(not importlib.util.find_spec("pyaudio"), reason="needs PyAudio (make mic)")
@pytest.mark.skipif(any(Path("/dev/snd").glob("pcm*")), reason="this machine has a sound card")
def test_a_machine_without_sound_says_so_in_one_sentence(tmp_path):
    with talking(KEYS | {"PULSE_SERVER": f"unix:{tmp_path}/nobody"}, tmp_path) as talk:
        status, errors = talk.ended(20)
    assert status == 1
    assert errors.startswith("switchboard: No microphone found: ") and errors.count("\n") == 1


def test_without_pyaudio_the_command_names_the_remedy(tmp_path):
    without = "import sys; sys.modules['pyaudio'] = None; from server.cli import main; "
    command = [sys.executable, "-c", without + "sys.exit(main(['talk', 'receptionist']))"]
    with talking(KEYS, tmp_path, command=command) as talk:
        status, errors = talk.ended(20)
    assert status == 1
    assert errors.startswith("switchboard: Talking by microphone needs PyAudio: ")
    assert "make mic" in errors and errors.count("\n") == 1


def test_a_setting_that_is_not_allowed_is_named(tmp_path):
    with talking(KEYS | {"SWITCHBOARD_API_PORT": "x"}, tmp_path) as talk:
        status, errors = talk.ended(20)
    assert status == 1
    assert "SWITCHBOARD_API_PORT" in errors and "Traceback" not in errors
