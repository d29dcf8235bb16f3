"""Hold music: quiet, within a phone's band, without a click from fade to fade."""

import itertools

import numpy as np
import pytest

from processors.hold_music import BAR_SECS, CHORDS, HoldMusic

LOOP_CHUNKS = int(len(CHORDS) * BAR_SECS / 0.02)


def _samples(chunks) -> np.ndarray:
    return np.frombuffer(b"".join(chunks), np.int16).astype(np.float64)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000, 48000])
def test_music_comes_in_chunks_of_20_ms_and_begins_from_silence(rate_hz):
    chunks = list(itertools.islice(HoldMusic(rate_hz).frames(), 100))
    assert {len(chunk) for chunk in chunks} == {rate_hz // 50 * 2}
    levels = [np.sqrt(np.mean(_samples(chunks[at : at + 25]) ** 2)) for at in (0, 25, 75)]
    assert levels[0] < levels[1] < levels[2] and not _samples(chunks)[0]


def test_music_is_quiet_and_within_the_band_of_a_phone():
    music = _samples(itertools.islice(HoldMusic(8000).frames(), 75, 75 + LOOP_CHUNKS))
    level_dbfs = 20 * np.log10(np.sqrt(np.mean(music**2)) / 32767)
    assert -29 < level_dbfs < -25 and np.abs(music).max() < 32767 * 0.2
    power = np.abs(np.fft.rfft(music)) ** 2
    hz = np.fft.rfftfreq(len(music), 1 / 8000)
    assert power[(hz > 300) & (hz < 3400)].sum() > 0.999 * power.sum()


def test_music_goes_round_without_a_click():
    two_rounds = _samples(itertools.islice(HoldMusic(16000).frames(), 75, 75 + 2 * LOOP_CHUNKS))
    once, again = np.split(two_rounds, 2)
    assert np.abs(once - again).max() <= 1
    # A click is a leap of the second difference; a seam may leap no more than the music does.
    leaps = np.abs(np.diff(two_rounds, 2))
    bar = int(BAR_SECS * 16000)
    seams = np.concatenate([leaps[at - 3 : at + 3] for at in range(bar, len(leaps), bar)])
    assert seams.max() <= np.percentile(leaps, 99.9)


def test_music_that_is_called_off_fades_and_ends():
    music = HoldMusic(8000)
    frames = music.frames()
    before = _samples(itertools.islice(frames, 200))[-1600:]
    music.fade_out()
    rest = _samples(frames)
    assert len(rest) == 0.4 * 8000 and np.abs(rest[-80:]).max() < 0.05 * np.abs(before).max()


def test_music_called_off_before_it_began_is_silent():
    music = HoldMusic(8000)
    music.fade_out()
    assert list(music.frames()) == []


def test_rate_that_gives_no_whole_chunks_is_refused():
    with pytest.raises(ValueError, match="11025"):
        HoldMusic(11025)
