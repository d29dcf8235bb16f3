"""A sound card without hardware: two null sinks of a PulseAudio daemon of the test's own."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soxr

from local.callers.listener import Listener, Utterance

HEARD_RATE_HZ = 48000
VOICE_RATE_HZ = 8000
_FRAME = 160

_DAEMON = """\
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=mouth rate=48000 channels=1
load-module module-null-sink sink_name=ear rate=48000 channels=1
set-default-sink ear
set-default-source mouth.monitor
"""

# PortAudio knows ALSA; ALSA's plugin knows PulseAudio.
_ALSA = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse hint { show on description "PulseAudio" } }
ctl.!default { type pulse }
"""


def missing_programs() -> list[str]:
    """What a machine lacks for a sound card of this kind."""
    programs = [name for name in ("pulseaudio", "pacat", "parec") if not shutil.which(name)]
    plugins = Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")
    return programs + ([] if any(plugins) else ["libasound2-plugins"])


class SoundCard:
    """A microphone that somebody can speak into, and a speaker that somebody can listen to."""

    def __init__(self, folder: Path):
        """Initialize a card; ``open`` makes one that works."""
        self._folder = folder
        self.daemon: subprocess.Popen[bytes] | None = None
        # Only with 60 ms does ALSA's plugin neither run dry nor play faster than time passes.
        self.environ = {
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_COOKIE": f"{folder}/cookie",
            "PULSE_LATENCY_MSEC": "60",
            "ALSA_CONFIG_PATH": str(folder / "alsa.conf"),
        }

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator["SoundCard"]:
        """Start the daemon in a folder; stop it at the end."""
        card = cls(folder)
        for name in ("runtime", "state", "home"):
            (folder / name).mkdir(mode=0o700)
        (folder / "alsa.conf").write_text(_ALSA)
        (folder / "daemon.pa").write_text(_DAEMON.format(socket=folder / "native"))
        with (folder / "daemon.log").open("w") as log:
            daemon = subprocess.Popen(
                ["pulseaudio", "-n", "-F", str(folder / "daemon.pa"), *_FLAGS],
                env={
                    **os.environ,
                    "XDG_RUNTIME_DIR": str(folder / "runtime"),
                    "PULSE_RUNTIME_PATH": str(folder / "runtime"),
                    "PULSE_STATE_PATH": str(folder / "state"),
                    "HOME": str(folder / "home"),
                    "DBUS_SESSION_BUS_ADDRESS": "disabled:",
                },
                stdout=log,
                stderr=log,
            )
        try:
            card.daemon = daemon
            _wait_for(card._is_open, f"see {folder / 'daemon.log'}")
            yield card
        finally:
            _stop(daemon)

    def unplug(self) -> None:
        """Take the microphone and the speaker away."""
        assert self.daemon
        _stop(self.daemon)

    def speak(self, pcm: np.ndarray) -> None:
        """Say something into the microphone, 16-bit mono at 8 kHz; returns when it is said."""
        command = ["pacat", "--playback", "--device=mouth", f"--rate={VOICE_RATE_HZ}", *_RAW]
        subprocess.run(command, input=pcm.tobytes(), env=self._environ(), check=True, timeout=30)

    @contextlib.contextmanager
    def listening(self) -> Iterator["Speaker"]:
        """Record the speaker for as long as this lasts."""
        path = self._folder / f"heard-{time.monotonic_ns()}.raw"
        command = ["parec", "--device=ear.monitor", f"--rate={HEARD_RATE_HZ}", *_RAW, str(path)]
        recorder = subprocess.Popen(command, env=self._environ())
        try:
            _wait_for(lambda: path.exists() and path.stat().st_size > 0, "nothing is recorded")
            yield Speaker(path)
        finally:
            _stop(recorder)

    def _environ(self) -> dict[str, str]:
        return {**os.environ, **self.environ}

    def _is_open(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._folder / "native")) == 0


class Speaker:
    """What came out of the speaker."""

    def __init__(self, path: Path):
        """Initialize with the raw recording."""
        self._path = path

    @property
    def pcm(self) -> np.ndarray:
        """16-bit mono at 48 kHz."""
        raw = self._path.read_bytes()
        return np.frombuffer(raw[: len(raw) // 2 * 2], np.int16)

    @property
    def utterances(self) -> list[Utterance]:
        """The stretches of speech, 16-bit mono at 8 kHz."""
        narrow = soxr.resample(self.pcm, HEARD_RATE_HZ, VOICE_RATE_HZ)
        listener, found = Listener(), []
        for i in range(0, len(narrow) - _FRAME + 1, _FRAME):
            found.append(listener.hear(narrow[i : i + _FRAME], i / VOICE_RATE_HZ))
        return [utterance for utterance in [*found, listener.cut()] if utterance]

    def share_above(self, edge_hz: float) -> float:
        """How much of the energy lies above a frequency, as a ratio."""
        pcm = self.pcm.astype(np.float64)
        power = np.abs(np.fft.rfft(pcm)) ** 2
        at_hz = np.fft.rfftfreq(len(pcm), 1 / HEARD_RATE_HZ)
        return float(power[at_hz > edge_hz].sum() / power.sum())

    def wait_for_sound(self, secs: float = 10) -> None:
        """Wait until something comes out."""
        _wait_for(lambda: bool((np.abs(self.pcm) > 1000).any()), "not a sound", secs)


def _wait_for(is_so: Callable[[], bool], otherwise: str, secs: float = 10) -> None:
    until = time.monotonic() + secs
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)


_RAW = ("--raw", "--format=s16le", "--channels=1")
_FLAGS = (
    "--daemonize=no",
    "--exit-idle-time=-1",
    "--use-pid-file=no",
    "--disallow-exit=no",
    "--realtime=no",
    "--high-priority=no",
)
