"""A simulated person at a phone: answers or not, is heard, hears, and knows music from speech."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from local.callers.caller import Caller
from local.callers.hearing import Hearing
from local.callers.human import DESK_SCRIPT, Human
from local.callers.human_scripts import BUSY, EVERYONE, LETS_IT_RING, REFUSES, all_lines, human
from local.callers.scenario import HumanScript, ScenarioError, load_human, parse_scenario
from local.callers.sounds import MusicDetector, pitch_hz, same_voice
from local.exchange.registrar import PhoneAccount, Registrar
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from processors.hold_music import HoldMusic
from tests.fakes_far_end import tone

RATE_HZ = 8000


def speech(secs: float, pitch: float = 120.0, seed: int = 1) -> np.ndarray:
    """Something that moves as speech does: a buzz whose pitch and colour never rest."""
    random = np.random.default_rng(seed)
    at = np.arange(round(secs * RATE_HZ)) / RATE_HZ
    knots = np.arange(0, secs + 0.2, 0.08)
    glide = np.interp(at, knots, pitch * (1 + 0.06 * random.standard_normal(len(knots))))
    phase = 2 * np.pi * np.cumsum(glide) / RATE_HZ
    sound = np.zeros(len(at))
    for partial in range(1, 16):
        weight = np.interp(at, knots, random.uniform(0, 1, len(knots)) ** 2) / partial**0.5
        sound += weight * np.sin(partial * phase)
    return (
        6000 * sound / np.max(np.abs(sound)) * np.interp(at % 0.4, [0, 0.3, 0.4], [1, 1, 0])
    ).astype(np.int16)


def music(secs: float) -> np.ndarray:
    frames = HoldMusic(RATE_HZ).frames()
    return np.frombuffer(b"".join(next(frames) for _ in range(round(secs * 50))), np.int16)


def silence(secs: float) -> np.ndarray:
    return np.zeros(round(secs * RATE_HZ), np.int16)


def frames(pcm: np.ndarray):
    for start in range(0, len(pcm) - 159, 160):
        yield pcm[start : start + 160], 100.0 + start / RATE_HZ


@pytest.mark.parametrize(
    "sound", [music(6.0), tone(3.0), tone(3.0) // 8], ids=["music", "tone", "soft"]
)
def test_notes_that_are_held_are_music(sound):
    detector = MusicDetector()
    heard = [detector.hear(frame) for frame, _ in frames(sound)]
    assert heard[-1] and sum(heard) > 0.6 * len(heard)


@pytest.mark.parametrize("sound", [speech(6.0), speech(6.0, 210.0, 2), silence(2.0)])
def test_speech_and_silence_are_none(sound):
    detector = MusicDetector()
    assert not any(detector.hear(frame) for frame, _ in frames(sound))


def test_noise_of_a_line_is_no_music():
    noise = np.random.default_rng(3).normal(0, 900, 5 * RATE_HZ).astype(np.int16)
    detector = MusicDetector()
    assert not any(detector.hear(frame) for frame, _ in frames(noise))


def test_what_is_said_before_and_behind_hold_music_is_heard_without_it():
    line = np.concatenate(
        [
            silence(0.5),
            speech(1.5),
            silence(0.2),
            music(8.0),
            silence(1.0),
            speech(1.0),
            silence(0.8),
        ]
    )
    hearing = Hearing(silence_secs=0.5, music=True)
    said = [u for frame, at in frames(line) if (u := hearing.hear(frame, at))]
    assert [(round(u.started_at, 1), round(u.ended_at, 1)) for u in said] == [
        (100.5, pytest.approx(102.0, abs=0.6)),
        (pytest.approx(111.2, abs=0.05), pytest.approx(112.2, abs=0.15)),
    ]
    (stretch,) = hearing.music
    assert stretch.started_at == pytest.approx(102.5, abs=0.7)
    assert stretch.ended_at == pytest.approx(110.3, abs=0.7)


def test_a_voice_is_known_by_its_pitch():
    low, again, high = (
        pitch_hz(speech(2.0, hz, seed)) for hz, seed in ((100, 1), (104, 2), (150, 3))
    )
    assert low and again and high
    assert same_voice(low, again) and not same_voice(low, high)
    assert pitch_hz(silence(1.0)) is None


def test_every_script_of_a_human_is_whole():
    assert {script.name for script in EVERYONE} and len(all_lines()) > 6
    assert load_human(DESK_SCRIPT).number == "+15550180"


def test_problems_of_a_human_in_a_scenario_are_told_with_its_own():
    data = {"name": "x", "dial": "12", "steps": [{"sing": 1}], "human": {"name": "y", "moods": 3}}
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(data)
    assert "step 1" in str(caught.value) and "human: moods" in str(caught.value)


class WrittenEars:
    """Recognises an utterance by its length."""

    async def transcribe(self, pcm: np.ndarray) -> str:
        return "long" if len(pcm) > 1.2 * RATE_HZ else "short"


LINES = {"short": speech(0.8, 160.0, 5), "long": speech(1.8, 160.0, 6)}


def _human(script: HumanScript, **options) -> Human:
    lines = {text: LINES.get(text, LINES["short"]) for text in script.lines()}
    return Human(script, lines=lines, ears=WrittenEars(), **options)


@pytest.fixture
async def endpoint() -> AsyncIterator[SipEndpoint]:
    endpoint = await SipEndpoint.open()
    yield endpoint
    await endpoint.close()


def _caller(endpoint: SipEndpoint, uri: str, steps: list[dict], **more) -> Caller:
    scenario = parse_scenario({"name": "x", "dial": "+15550180", "steps": steps} | more)
    lines = {text: LINES.get(text, LINES["short"]) for text in scenario.lines()}
    return Caller(endpoint, uri.partition("@")[2], scenario, lines=lines, ears=WrittenEars())


async def test_a_human_answers_after_a_moment_talks_and_keeps_a_tape(endpoint, tmp_path: Path):
    script = human(
        "takes it", {"say": "long", "at_once": True}, {"expect": ["short"]}, {"bot_hangs_up": True}
    )
    async with _human(script, tapes_dir=tmp_path) as person:
        steps = [{"expect": ["long"]}, {"say": "short"}, {"wait": 0.3}, {"hang_up": True}]
        report = await _caller(endpoint, person.uri, steps, never=["long long"]).run()
        theirs = await person.report(5)
    assert report.passed and theirs.passed, report.failures + theirs.failures
    assert report.answer_secs and report.answer_secs >= script.ring_secs
    assert [(line.who, line.text) for line in theirs.lines] == [
        ("human", "long"),
        ("line", "short"),
    ]
    assert theirs.tape_path == str(tmp_path / "human-1.wav")
    assert (tmp_path / "human-1.wav").stat().st_size > 20_000
    # Both clocks run from the answer: what one said the other heard then.
    assert theirs.lines[0].began_secs == pytest.approx(report.lines[0].began_secs, abs=0.15)


@pytest.mark.parametrize("script, status", [(BUSY, 486), (REFUSES, 603)])
async def test_a_human_is_busy_or_refuses(endpoint, script, status):
    async with _human(script) as person:
        report = await _caller(endpoint, person.uri, [{"wait": 0.1}]).run()
        assert report.end_status == status and report.answer_secs is None
        assert (await person.report(5)).end_status == status


async def test_a_human_lets_it_ring_until_the_caller_gives_up(endpoint):
    async with _human(LETS_IT_RING) as person:
        report = await _caller(endpoint, person.uri, [{"wait": 0.1}], answer_secs=0.3).run()
        assert report.failures == ["step 0: no answer within 0.3 s"]
        theirs = await person.report(5)
        assert theirs.end_status == 487 and theirs.lines == []


async def test_keys_of_a_human_arrive(endpoint):
    script = human("presses", {"keys": "1"}, {"bot_hangs_up": True})
    async with _human(script) as person:
        call = endpoint.invite(person.uri, from_user="bot")
        pressed: asyncio.Queue[str] = asyncio.Queue()
        call.media.on_digit = pressed.put_nowait
        async with asyncio.timeout(5):
            await call.wait_answered()
            assert await pressed.get() == "1"
        await call.hangup()


async def test_hold_music_is_heard_by_a_caller_and_is_no_speech(endpoint):
    script = human("plays", {"say": "music", "at_once": True}, {"say": "short", "at_once": True})
    person = Human(script, lines={"music": music(3.0), "short": LINES["short"]}, ears=WrittenEars())
    async with person:
        steps = [{"hear": "music", "for_secs": 1.5}, {"expect": ["short"]}]
        report = await _caller(endpoint, person.uri, steps).run()
    assert report.passed, report.failures
    assert [line.text for line in report.lines] == ["short"]
    ((began, ended),) = report.music
    assert ended - began == pytest.approx(2.8, abs=0.6)


async def test_music_that_never_comes_is_a_finding(endpoint):
    script = human("is silent", {"bot_hangs_up": True})
    async with _human(script) as person:
        steps = [{"hear": "music", "within_secs": 0.3}]
        report = await _caller(endpoint, person.uri, steps).run()
    assert report.failures == ["step 1: no music for 1 s"]


async def test_a_phrase_must_come_from_the_right_voice(endpoint):
    low, high = speech(1.8, 100.0, 7), speech(0.8, 180.0, 8)
    script = human(
        "two", {"say": "low", "at_once": True}, {"wait": 0.7}, {"say": "high", "at_once": True}
    )
    person = Human(script, lines={"low": low, "high": high}, ears=WrittenEars())
    async with person:
        steps = [
            {"expect": ["long"], "voice": "first"},
            {"expect": ["short"], "voice": "other"},
            {"expect": ["short"], "voice": "first", "within_secs": 0.1},
        ]
        report = await _caller(endpoint, person.uri, steps).run()
    assert [finding.passed for finding in report.findings] == [True, True, False]
    assert [line.who for line in report.lines] == ["bot", "human"]


async def test_words_that_must_never_be_heard_fail_the_call(endpoint):
    script = human("leaks", {"say": "long", "at_once": True})
    async with _human(script) as person:
        steps = [{"bot_hangs_up": True}]
        report = await _caller(endpoint, person.uri, steps, never=["long", "secret"]).run()
    assert report.failures == ["step 0: heard 'long'"]


async def test_a_chat_answers_each_time_until_the_other_hangs_up(endpoint):
    script = human("chats", {"chat": ["long", "short", "short"], "quiet_secs": 0.3})
    async with _human(script) as person:
        steps = [
            {"say": "short", "at_once": True},
            {"expect": ["long"]},
            {"say": "short", "quiet_secs": 0.2},
            {"expect": ["short"]},
            {"hang_up": True},
        ]
        report = await _caller(endpoint, person.uri, steps).run()
        theirs = await person.report(5)
    assert report.passed and theirs.passed, report.failures + theirs.failures


@pytest.fixture
async def registrar() -> AsyncIterator[tuple[Registrar, str, dict[str, str]]]:
    login = {"number": "+15550180", "user": "15550180", "password": "secret"}
    other = PhoneAccount("+15550181", "15550181", "secret")
    registrar = Registrar([PhoneAccount(**login), other], new_tag=lambda: "tag")
    server = await SipEndpoint.open()
    server.on_register = registrar.on_register
    yield registrar, f"127.0.0.1:{server.address[1]}", login
    await server.close()


async def test_a_real_phone_is_called_before_the_human_who_stands_in(registrar):
    known, address, login = registrar
    async with _human(BUSY, registrar=address, login=login, stand_in=True) as stand_in:
        port = stand_in.uri.rpartition(":")[2]
        assert f":{port};" in str(known.contact("+15550180"))
        async with _human(BUSY, registrar=address, login=login) as real:
            port = real.uri.rpartition(":")[2]
            assert f":{port};" in str(known.contact("+15550180"))
        assert f":{stand_in.uri.rpartition(':')[2]};" in str(known.contact("+15550180"))
    assert known.contact("+15550180") is None


async def test_the_stand_in_gives_way_to_a_phone_of_another_number_of_the_desk(endpoint, registrar):
    _, address, login = registrar
    other = login | {"number": "+15550181", "user": "15550181"}
    script = human("answers", {"bot_hangs_up": True}, ring_secs=0)
    async with _human(script, registrar=address, login=[login, other], stand_in=True) as stand_in:
        assert (await _caller(endpoint, stand_in.uri, [{"wait": 0.1}]).run()).passed
        async with _human(BUSY, registrar=address, login=other):
            report = await _caller(endpoint, stand_in.uri, [{"wait": 0.1}]).run()
            assert report.end_status == 480


async def test_a_human_with_a_wrong_password_is_not_at_the_desk(registrar):
    _, address, login = registrar
    with pytest.raises(SipCallError, match="403"):
        async with _human(BUSY, registrar=address, login=login | {"password": "x"}):
            pass
