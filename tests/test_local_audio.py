"""Talking without a phone: what it sounds like, and what is said where there is no sound."""

import importlib.util
import sys
import types

import numpy as np
import pytest

from transports.line_error import LineError
from transports.local_audio import local_audio_transport
from transports.phone_filter import PhoneFilter

BUILT_ON_PYAUDIO = ("pipecat.transports.local.audio", "transports.sound_card")


async def _through(rate_hz: int, tone_hz: float) -> float:
    """How much of a tone of amplitude 8000 is left, as a ratio."""
    phone = PhoneFilter()
    await phone.start(rate_hz)
    tone = (8000 * np.sin(2 * np.pi * tone_hz * np.arange(rate_hz) / rate_hz)).astype(np.int16)
    step = rate_hz // 50
    out = b"".join(
        [await phone.filter(tone[i : i + step].tobytes()) for i in range(0, rate_hz, step)]
    )
    heard = np.frombuffer(out, np.int16)
    assert len(heard) == rate_hz
    await phone.stop()
    return float(np.abs(heard[rate_hz // 5 :]).max() / 8000)


@pytest.mark.parametrize("rate_hz", [16000, 24000])
@pytest.mark.parametrize("tone_hz, loud", [(1000, True), (3000, True), (100, False), (5000, False)])
async def test_only_the_telephone_band_is_left(rate_hz, tone_hz, loud):
    left = await _through(rate_hz, tone_hz)
    assert (0.8 < left < 1.2) if loud else (left < 0.1)


class _PyAudio:
    """A machine with one sort of device."""

    missing = "speaker"
    terminated = 0

    def get_default_input_device_info(self):
        if self.missing == "microphone":
            raise OSError("No Default Input Device Available")

    def get_default_output_device_info(self):
        if self.missing == "speaker":
            raise OSError("No Default Output Device Available")

    def terminate(self):
        _PyAudio.terminated += 1


@pytest.fixture
def pyaudio(monkeypatch):
    module = types.ModuleType("pyaudio")
    module.PyAudio = _PyAudio
    module.__spec__ = importlib.util.spec_from_loader("pyaudio", None)
    monkeypatch.setitem(sys.modules, "pyaudio", module)
    for name in BUILT_ON_PYAUDIO:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(_PyAudio, "missing", "")
    yield _PyAudio
    for name in BUILT_ON_PYAUDIO:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("missing", ["microphone", "speaker"])
def test_a_machine_without_a_device_says_which(pyaudio, monkeypatch, missing):
    monkeypatch.setattr(pyaudio, "missing", missing)
    before = pyaudio.terminated
    with pytest.raises(LineError, match=f"No {missing} found") as error:
        local_audio_transport(phone=False)
    assert error.value.code == "no_audio_device" and pyaudio.terminated == before + 1


@pytest.mark.parametrize("phone", [True, False])
def test_both_directions_go_through_the_phone_if_asked(pyaudio, phone):
    params = local_audio_transport(phone=phone)._params
    filters = (params.audio_in_filter, params.audio_out_filter)
    assert all(isinstance(f, PhoneFilter) is phone for f in filters)
    assert not phone or filters[0] is not filters[1]


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pyaudio" else find(name)
    )
    with pytest.raises(LineError, match=r"switchboard\[mic\]") as error:
        local_audio_transport(phone=True)
    assert error.value.code == "no_audio_extra"
