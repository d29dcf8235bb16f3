"""A beep is found whatever its pitch, length and level; speech, music and dial tones are none."""

import itertools

import numpy as np
import pytest
import soxr

from processors.beep import Beep, BeepDetector
from processors.hold_music import HoldMusic
from records.g711 import ULAW

RATE_HZ = 8000


def tone(*hz: float, secs: float, dbfs: float = -15.0) -> np.ndarray:
    at = np.arange(int(secs * RATE_HZ)) / RATE_HZ
    level = 32768 * 10 ** (dbfs / 20)
    return np.sum([level * np.sin(2 * np.pi * f * at) for f in hz], axis=0)


def noise(secs: float, dbfs: float) -> np.ndarray:
    level = 32768 * 10 ** (dbfs / 20)
    return np.random.default_rng(3).normal(0, level, int(secs * RATE_HZ))


def by_phone(sound: np.ndarray) -> np.ndarray:
    """Through μ-law, as the bot hears it: int16 at 16 kHz."""
    levels = np.unique(ULAW).astype(np.float64)
    nearest = levels[np.clip(np.searchsorted(levels, sound), 0, len(levels) - 1)]
    return soxr.resample(nearest, RATE_HZ, 16000).astype(np.int16)


def heard(sound: np.ndarray) -> list[Beep]:
    detector, pcm = BeepDetector(16000), by_phone(sound)
    frames = (pcm[at : at + 320].tobytes() for at in range(0, len(pcm), 320))
    return [beep for frame in frames if (beep := detector.hear(frame))]


@pytest.mark.parametrize(
    "hz, secs, dbfs, noise_dbfs",
    [*itertools.product((360, 440, 1000, 1400, 2150), (0.2, 0.5, 2.8), (-10, -35), (-70, -50))],
)
def test_beep_is_heard_with_its_pitch_and_length(hz, secs, dbfs, noise_dbfs):
    sound = noise(secs + 1.5, noise_dbfs)
    sound[4000 : 4000 + int(secs * RATE_HZ)] += tone(hz, secs=secs, dbfs=dbfs)
    (beep,) = heard(sound)
    assert abs(beep.hz - hz) < 10 and abs(beep.secs - secs) < 0.1


SILENCE = np.zeros(RATE_HZ)


@pytest.mark.parametrize(
    "sound",
    [
        tone(350, 440, secs=2),  # a dial tone
        tone(440, 480, secs=2),  # ringing
        tone(480, 620, secs=0.5),  # busy
        tone(770, 1336, secs=0.3),  # a key
        tone(425, secs=5),  # what never stops is no beep
        tone(1000, secs=0.1),
        tone(300, secs=1),
        tone(2500, secs=1),
        np.concatenate([tone(hz, secs=0.33) for hz in (950, 1400, 1800)]),  # "the number you …"
        np.sin(np.cumsum(np.linspace(400, 1600, RATE_HZ)) * 2 * np.pi / RATE_HZ) * 5000,  # a siren
        noise(3, -20),
    ],
    ids=["dial", "ring", "busy", "key", "endless", "click", "low", "high", "sit", "siren", "noise"],
)
def test_other_sounds_of_a_telephone_are_no_beep(sound):
    assert heard(np.concatenate([SILENCE, sound, SILENCE])) == []


def test_music_is_no_beep():
    frames = itertools.islice(HoldMusic(RATE_HZ).frames(), 1500)
    music = np.frombuffer(b"".join(frames), np.int16).astype(np.float64)
    assert heard(np.concatenate([music, SILENCE])) == []


def vowel(pitch_hz: float, secs: float) -> np.ndarray:
    """A sung "ah": harmonics, the loudest around 700 and 1200 Hz."""
    sound = np.zeros(int(secs * RATE_HZ))
    for harmonic in np.arange(pitch_hz, 3400, pitch_hz):
        loud = sum(np.exp(-(((harmonic - formant) / 150) ** 2)) for formant in (700, 1200))
        sound += tone(harmonic, secs=secs, dbfs=-20) * (loud + 0.05)
    return sound


@pytest.mark.parametrize("pitch_hz", [110, 180, 220, 330])
def test_voice_that_holds_its_pitch_is_no_beep(pitch_hz):
    assert heard(np.concatenate([SILENCE, vowel(pitch_hz, 1.0), SILENCE])) == []


def test_frames_of_any_length_are_heard():
    pcm = by_phone(np.concatenate([SILENCE, tone(1000, secs=0.5), SILENCE])).tobytes()
    detector = BeepDetector(16000)
    beeps = [detector.hear(pcm[at : at + 334]) for at in range(0, len(pcm), 334)]
    assert [round(beep.hz) for beep in beeps if beep] == [1000]
