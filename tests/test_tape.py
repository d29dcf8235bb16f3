import time
import wave

import numpy as np
import pytest

from records.g711 import ULAW
from records.tape import measure_tape, tape_report
from records.tape_report import TapeReport
from records.tape_table import to_json, to_text
from records.wav import StereoWavWriter, TapeError

AUDIBLE = 32768 * 10 ** (-40 / 20)
RATE = 8000


def side(rate_hz: int, secs: float, *spans: tuple[float, float], level=0.3) -> np.ndarray:
    """One side of a tape: a voice-like tone in each span, else digital silence."""
    samples = np.zeros(round(secs * rate_hz))
    for start, end in spans:
        at = np.arange(round(start * rate_hz), round(end * rate_hz))
        samples[at] = level * 32767 * np.cos(2 * np.pi * 220 * at / rate_hz + 0.3)
    return samples.astype(np.int16)


def edges(samples: np.ndarray, rate_hz: int, start: float, end: float) -> tuple[float, float]:
    """First and last audible sample within a span, found the slow way."""
    lo, hi = round(start * rate_hz), round(end * rate_hz)
    heard = [n for n in range(lo, hi) if abs(int(samples[n])) > AUDIBLE]
    return heard[0] / rate_hz, heard[-1] / rate_hz


def hiss(samples: np.ndarray, dbfs: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


def over_g711(samples: np.ndarray) -> np.ndarray:
    """What μ-law makes of it: the nearest of its 256 levels."""
    levels, codes = np.unique(ULAW, return_index=True)
    middles = (levels[1:].astype(int) + levels[:-1]) / 2
    return ULAW[codes[np.searchsorted(middles, samples)]]


CALLER = [(3.0, 4.2), (7.013, 8.5), (11.0, 12.0)]
BOT = [(0.5, 2.5), (4.9117, 7.2), (9.0, 10.5), (16.0, 17.0)]


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 24000, 44100, 48000])
def test_turns_and_interruptions_are_exact_to_the_sample(rate_hz):
    caller, bot = side(rate_hz, 20, *CALLER), side(rate_hz, 20, *BOT)
    report = measure_tape(caller, bot, rate_hz)
    callers = [edges(caller, rate_hz, *span) for span in CALLER]
    bots = [edges(bot, rate_hz, *span) for span in BOT]
    exact = {"abs": 1e-6}
    assert [(s.start, s.end) for s in report.caller_spans] == [
        pytest.approx(span, **exact) for span in callers
    ]
    assert [(s.start, s.end) for s in report.bot_spans] == [
        pytest.approx(span, **exact) for span in bots
    ]
    assert [t.heard_secs for t in report.turns] == pytest.approx(
        [bots[b][0] - callers[c][1] for c, b in [(0, 1), (1, 2), (2, 3)]], **exact
    )
    assert [i.secs for i in report.interruptions] == pytest.approx(
        [bots[1][1] - callers[1][0]], **exact
    )
    assert report.overlap_secs == pytest.approx(bots[1][1] - callers[1][0], **exact)
    assert [(s.start, s.end) for s in report.dead_air] == [
        pytest.approx((callers[2][1], bots[3][0]), **exact),
        pytest.approx((bots[3][1], 20.0), **exact),
    ]
    assert report.duration_secs == 20
    assert (report.caller_noise_dbfs, report.bot_noise_dbfs) == (None, None)


def test_figures_are_medians_and_not_means():
    answers = [(4.0 * n + 1.0, 4.0 * n + 1.0 + wait) for n, wait in enumerate([0.5, 0.6, 0.7, 2.0])]
    caller = side(RATE, 20, *[(asked - 1, asked) for asked, _ in answers])
    bot = side(RATE, 20, *[(began, began + 0.5) for _, began in answers])
    heard = measure_tape(caller, bot, RATE).heard
    assert heard and heard.count == 4
    assert (heard.p50, heard.max) == (pytest.approx(0.65, abs=2e-3), pytest.approx(2.0, abs=2e-3))


@pytest.mark.parametrize("dbfs", [-70, -55, -50, -46])
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_line_hiss_changes_nothing_by_more_than_three_milliseconds(dbfs, rate_hz):
    clean = measure_tape(side(rate_hz, 20, *CALLER), side(rate_hz, 20, *BOT), rate_hz)
    noisy = measure_tape(
        hiss(side(rate_hz, 20, *CALLER), dbfs), hiss(side(rate_hz, 20, *BOT), dbfs, 2), rate_hz
    )
    for spans in ("caller_spans", "bot_spans", "dead_air"):
        pairs = zip(getattr(noisy, spans), getattr(clean, spans), strict=True)
        assert all(abs(a.start - b.start) < 0.003 and abs(a.end - b.end) < 0.003 for a, b in pairs)
    assert len(noisy.turns) == 3 and len(noisy.interruptions) == 1
    assert noisy.bot_noise_dbfs == pytest.approx(dbfs, abs=1)


@pytest.mark.parametrize("dbfs", [None, -60, -50])
def test_a_telephone_line_changes_nothing_by_more_than_three_milliseconds(dbfs):
    clean = measure_tape(side(RATE, 20, *CALLER), side(RATE, 20, *BOT), RATE)
    lines = [
        over_g711(hiss(samples, dbfs) if dbfs else samples)
        for samples in (side(RATE, 20, *CALLER), side(RATE, 20, *BOT))
    ]
    line = measure_tape(lines[0], lines[1], RATE)
    assert [t.heard_secs for t in line.turns] == pytest.approx(
        [t.heard_secs for t in clean.turns], abs=0.003
    )
    assert line.interruptions[0].secs == pytest.approx(clean.interruptions[0].secs, abs=0.003)


def test_comfort_noise_in_the_pauses_is_no_speech():
    caller, bot = side(RATE, 20, *CALLER), side(RATE, 20, *BOT)
    # Digital silence until the answer, then noise only where nobody speaks.
    noise = hiss(np.zeros(len(caller), np.int16), -46)
    noise[: RATE * 5] = 0
    report = measure_tape(np.where(caller, caller, noise), bot, RATE)
    assert len(report.caller_spans) == 3
    assert report.caller_noise_dbfs == pytest.approx(-46, abs=1)


@pytest.mark.parametrize("secs", [0.001, 0.02, 0.039])
def test_a_click_is_no_speech(secs):
    caller = side(RATE, 6, (2.0, 2.0 + secs), (4.0, 4.0 + secs), level=0.9)
    assert measure_tape(caller, side(RATE, 6), RATE).caller_spans == []


def test_a_soft_onset_is_walked_back_to_its_first_audible_sample():
    samples = side(RATE, 4, (1.0, 2.0)).astype(float)
    rise = slice(RATE, RATE + RATE // 5)
    samples[rise] *= np.linspace(0, 1, RATE // 5) ** 4
    samples = samples.astype(np.int16)
    (span,) = measure_tape(samples, side(RATE, 4), RATE).caller_spans
    loud_by_rms = 1.0 + 0.2 * (10 ** (-42 / 20) / (0.3 / 2**0.5)) ** 0.25
    assert span.start == edges(samples, RATE, 0.9, 2.0)[0] < loud_by_rms


@pytest.mark.parametrize("gap, spans", [(0.39, 1), (0.41, 2)])
def test_a_gap_of_four_tenths_ends_an_utterance(gap, spans):
    bot = side(RATE, 6, (1.0, 2.0), (2.0 + gap, 4.0))
    assert len(measure_tape(side(RATE, 6), bot, RATE).bot_spans) == spans


def test_the_answer_is_measured_from_the_callers_last_words():
    caller = side(RATE, 8, (1.0, 2.0), (2.8, 3.5))
    (turn,) = measure_tape(caller, side(RATE, 8, (4.0, 5.0)), RATE).turns
    assert turn.heard_secs == pytest.approx(0.5, abs=2e-3)


def test_an_uh_huh_under_a_talking_bot_is_neither_turn_nor_interruption():
    caller = side(RATE, 12, (3.0, 3.4))
    report = measure_tape(caller, side(RATE, 12, (1.0, 7.0), (8.0, 9.0)), RATE)
    assert (report.turns, report.interruptions) == ([], [])
    assert [round(s.start, 2) for s in report.talked_over] == [3.0]


@pytest.mark.parametrize("said, silent_at", [((3.0, 3.4), 4.5), ((3.0, 7.0), 6.0)])
def test_a_bot_that_gives_way_late_is_interrupted_and_then_answers(said, silent_at):
    report = measure_tape(side(RATE, 12, said), side(RATE, 12, (1.0, silent_at), (8.0, 9.0)), RATE)
    assert [round(i.secs, 2) for i in report.interruptions] == [round(silent_at - 3.0, 2)]
    assert [round(t.heard_secs, 2) for t in report.turns] == [round(8.0 - said[1], 2)]


def test_two_sounds_against_the_same_words_are_one_interruption():
    caller = side(RATE, 12, (3.0, 3.3), (3.9, 4.6))
    report = measure_tape(caller, side(RATE, 12, (1.0, 4.2)), RATE)
    assert [round(i.caller_started_at, 2) for i in report.interruptions] == [3.0]


def test_a_bot_that_starts_over_the_caller_has_answered_no_turn():
    report = measure_tape(side(RATE, 9, (1.0, 3.0)), side(RATE, 9, (2.5, 4.0), (4.6, 5.0)), RATE)
    assert (report.turns, report.interruptions) == ([], [])
    assert report.overlap_secs == pytest.approx(0.5, abs=2e-3)


def test_a_bot_that_starts_over_the_caller_and_gives_way_answers_later():
    report = measure_tape(side(RATE, 9, (1.0, 4.0)), side(RATE, 9, (2.0, 2.6), (4.5, 5.0)), RATE)
    assert [round(t.heard_secs, 2) for t in report.turns] == [0.5]


def test_an_echo_is_overlap_and_no_answer():
    caller = side(RATE, 9, (1.0, 2.0), (4.0, 5.0))
    report = measure_tape(caller, np.roll(caller, RATE // 10), RATE)
    assert report.turns == []
    assert report.overlap_secs == pytest.approx(1.8, abs=5e-3)


@pytest.mark.parametrize("count", [0, 1, 159, 160, 5000])
def test_a_silent_tape_has_nothing_but_silence(count):
    report = measure_tape(np.zeros(count, np.int16), np.zeros(count, np.int16), RATE)
    assert (report.turns, report.caller_spans, report.heard) == ([], [], None)


def test_speech_from_the_first_to_the_last_sample_is_found():
    caller = side(RATE, 3.005, (0, 3.005))
    (span,) = measure_tape(caller, np.full(len(caller), -32768, np.int16), RATE).caller_spans
    assert (span.start, span.end) == edges(caller, RATE, 0, 3.005)


@pytest.mark.parametrize(
    "caller, bot, rate_hz",
    [
        (np.zeros(9), np.zeros(9, np.int16), RATE),
        (np.zeros(9, np.int16), np.zeros((9, 1), np.int16), RATE),
        (np.zeros(9, np.int16), np.zeros(8, np.int16), RATE),
        (np.zeros(9, np.int16), np.zeros(9, np.int16), 96000),
    ],
)
def test_sides_that_cannot_be_measured_are_refused(caller, bot, rate_hz):
    with pytest.raises(TapeError):
        measure_tape(caller, bot, rate_hz)


def test_five_minutes_are_measured_in_no_time():
    turns = [(n * 6.0 + 3, n * 6.0 + 5) for n in range(50)]
    caller = hiss(side(16000, 300, *turns), -60)
    bot = hiss(side(16000, 300, *[(n * 6.0 + 0.1, n * 6.0 + 2.4) for n in range(50)]), -55)
    began = time.thread_time()
    assert len(measure_tape(caller, bot, 16000).turns) == 49
    assert time.thread_time() - began < 0.5


@pytest.fixture
def report(tmp_path) -> TapeReport:
    with StereoWavWriter(tmp_path / "call.wav", RATE) as writer:
        writer.write(side(RATE, 20, *CALLER), side(RATE, 20, *BOT))
    return tape_report(tmp_path / "call.wav")


def test_a_file_is_measured_as_its_samples_are(report):
    assert report == measure_tape(side(RATE, 20, *CALLER), side(RATE, 20, *BOT), RATE)


def test_a_recording_of_another_program_is_measured(tmp_path, report):
    frames = np.stack([side(RATE, 20, *CALLER), side(RATE, 20, *BOT)], axis=1)
    with wave.open(str(tmp_path / "foreign.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(frames.astype("<i2").tobytes())
    assert tape_report(tmp_path / "foreign.wav") == report


def test_report_survives_its_json(report):
    assert TapeReport.model_validate_json(to_json(report)) == report


def test_text_tells_the_call_from_top_to_bottom(report):
    lines = to_text(report)
    assert lines[0].split() == ["from", "to", "who"]
    assert [line.split()[2].strip(",") for line in lines[1:10]] == [
        "bot", "caller", "bot", "caller", "bot", "caller", "dead", "bot", "dead",
    ]  # fmt: skip
    text = "\n".join(lines)
    assert "bot, heard after 0.712 s" in text
    assert "caller, bot silent after 0.187 s" in text
    assert "(3 turns)" in text and "(1 interruption)" in text
    assert "20.000 s at 8000 Hz" in text


def test_text_of_an_empty_tape_says_so():
    silent = np.zeros(RATE, np.int16)
    text = "\n".join(to_text(measure_tape(silent, silent, RATE)))
    assert "no turn answered" in text and "no interruption" in text


def test_a_report_can_be_kept_in_an_event(report):
    assert TapeReport.model_validate(report.model_dump(mode="json")) == report
