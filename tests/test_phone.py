"""A simulated caller on a real SIP line: waits for its turn, interrupts, judges what it heard."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from local.callers.caller import Caller
from local.callers.phone import CallOverError, Phone, QuietLineError
from local.callers.scenario import Scenario, parse_scenario
from local.sip.endpoint import SipEndpoint
from records.tape import measure_tape
from records.wav import read_stereo
from tests.fakes_far_end import FarEnd, tone


class WrittenEars:
    """Recognises an utterance by its length: tenths of a second are the words."""

    async def transcribe(self, pcm: np.ndarray) -> str:
        return f"about {round(len(pcm) / 8000, 1)} seconds"


@pytest.fixture
async def endpoint() -> AsyncIterator[SipEndpoint]:
    endpoint = await SipEndpoint.open()
    yield endpoint
    await endpoint.close()


def _caller(
    endpoint: SipEndpoint, far: FarEnd, steps: list[Mapping], tape_path: Path | None = None, **more
) -> Caller:
    scenario = parse_scenario({"name": "x", "dial": "+15550100", "steps": steps} | more)
    return Caller(
        endpoint,
        far.address,
        scenario,
        lines={line: tone(0.6) for line in scenario.lines()},
        ears=WrittenEars(),
        tape_path=tape_path,
    )


async def test_a_caller_waits_for_the_greeting_and_is_answered(
    endpoint: SipEndpoint, tmp_path: Path
):
    path = tmp_path / "caller.wav"
    async with FarEnd(greeting=tone(0.8), reply=tone(0.5)) as far:
        steps = [{"say": "Hello.", "quiet_secs": 0.3}, {"hang_up": True, "after_quiet_secs": 0.3}]
        report = await _caller(endpoint, far, steps, path).run()
    assert report.passed, report.failures
    assert report.ended_by == "local" and report.lost_packets == 0
    assert [line.who for line in report.lines] == ["bot", "caller", "bot"]
    greeting, said, _ = report.lines
    assert said.began_secs >= greeting.ended_secs + 0.3
    assert report.tape and len(report.tape.turns) == 1
    # The far end replies 0.2 s after it heard the last sample.
    assert 0.19 < report.tape.turns[0].heard_secs < 0.5
    left, right, rate_hz = read_stereo(path)
    assert measure_tape(left, right, rate_hz) == report.tape
    assert len(left) / rate_hz == pytest.approx(report.secs, abs=0.01)


async def test_a_caller_interrupts_on_purpose_and_the_tape_shows_when_the_bot_fell_silent(
    endpoint: SipEndpoint,
):
    async with FarEnd(greeting=tone(6.0), reply=tone(0.3)) as far:
        steps = [
            {"say": "Wait.", "over_bot_after": 0.5},
            {"hang_up": True, "after_quiet_secs": 0.5},
        ]
        report = await _caller(endpoint, far, steps).run()
    assert report.passed and report.tape
    (stop,) = report.tape.interruptions
    assert stop.caller_started_at == pytest.approx(report.lines[0].began_secs + 0.5, abs=0.1)
    assert stop.secs < 0.3


async def test_what_was_not_heard_is_said_and_the_call_goes_on(endpoint: SipEndpoint):
    async with FarEnd(greeting=tone(0.4)) as far:
        steps = [
            {"expect": ["seconds", "good evening"], "within_secs": 1.5},
            {"keys": "12#"},
            {"hang_up": True},
        ]
        report = await _caller(endpoint, far, steps).run()
        assert far.digits == ["1", "2", "#"]
    assert not report.passed
    (failure,) = report.failures
    assert failure.startswith("step 1: did not hear 'good evening' in 'about 0.")


async def test_a_bot_that_stays_silent_fails_the_step(endpoint: SipEndpoint):
    async with FarEnd(greeting=tone(0.4)) as far:
        steps = [
            {"say": "Hello.", "quiet_secs": 0.2},
            {"say": "Hello?", "within_secs": 0.4},
            {"hang_up": True},
        ]
        report = await _caller(endpoint, far, steps).run()
    assert report.failures == ["step 2: the bot did not speak within 0.4 s"]


async def test_a_call_that_the_bot_ends_fails_the_steps_behind(endpoint: SipEndpoint):
    async with FarEnd(greeting=tone(5.0)) as far:
        caller = _caller(endpoint, far, [{"wait": 0.5}, {"say": "Hi.", "at_once": True}])
        running = asyncio.ensure_future(caller.run())
        await far.called.wait()
        await far.calls[0].hangup()
        report = await running
    assert report.ended_by == "remote"
    assert report.failures == ["step 2: the call was ended by remote before this step"]


async def test_a_caller_who_is_not_answered_hangs_up(endpoint: SipEndpoint):
    async with FarEnd(greeting=tone(0.1), ring=True) as far:
        caller = _caller(endpoint, far, [{"wait": 1}], answer_secs=0.4)
        report = await caller.run()
        assert far.calls[0].end
    assert report.failures == ["step 0: no answer within 0.4 s"]
    assert report.tape is None and report.answer_secs is None


async def test_a_refused_call_is_reported_with_its_status(endpoint: SipEndpoint):
    async with FarEnd(greeting=tone(0.1), ring=True) as far:
        caller = _caller(endpoint, far, [{"wait": 1}])
        running = asyncio.ensure_future(caller.run())
        await far.called.wait()
        far.calls[0].reject(486, "Busy Here")
        report = await running
    assert report.end_status == 486
    assert "486 Busy Here" in report.failures[0]


async def test_a_phone_says_why_nothing_was_heard(endpoint: SipEndpoint):
    async with FarEnd(greeting=np.zeros(800, np.int16)) as far:
        phone = Phone.dial(endpoint, f"sip:+1555@{far.address}", caller="+15557777")
        await phone.answered(2)
        with pytest.raises(QuietLineError, match="did not speak within 0.2 s"):
            await phone.bot_speaks(since=0, for_secs=0, within_secs=0.2)
        await phone.hang_up()
        with pytest.raises(CallOverError, match="ended by local"):
            await phone.say(tone(0.2))


def test_the_shipped_scenario_is_one_a_caller_can_follow():
    from local.callers.scenario import load_scenario

    path = Path(__file__).parent.parent / "local" / "callers" / "demo.yaml"
    scenario = load_scenario(path)
    assert isinstance(scenario, Scenario) and scenario.outcome == "transferred"
    assert sum(getattr(step, "over_bot_after", None) is not None for step in scenario.steps) == 1
