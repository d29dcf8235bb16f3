"""A simulated caller: carries out a scenario over a phone, and judges what it heard."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from local.callers.ears import Ears
from local.callers.listener import RATE_HZ, Utterance
from local.callers.phone import CallOverError, Phone, QuietLineError
from local.callers.phrases import heard
from local.callers.report import CallReport, Finding, Line
from local.callers.scenario import (
    BotHangsUp,
    Expect,
    HangUp,
    Keys,
    Say,
    Scenario,
    Step,
    Wait,
)
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipCallError
from local.sip.pacer import Playback
from records.tape import measure_tape


class Caller:
    """One call, from the INVITE to the report.

    A step that fails is noted and the call goes on: the report shows everything that was wrong.

    Parameters:
        phone: The line, once ``run`` has dialled.
        on_line: Told each thing said, by either side, when its words are known.
    """

    def __init__(
        self,
        endpoint: SipEndpoint,
        address: str,
        scenario: Scenario,
        *,
        lines: Mapping[str, np.ndarray],
        ears: Ears,
        tape_path: Path | None = None,
        on_line: Callable[[Line], None] | None = None,
    ):
        """Initialize a caller.

        Args:
            endpoint: Its signalling socket; several callers may share one.
            address: ``host:port`` to dial.
            scenario: What to do.
            lines: Audio of everything it will say, from ``Voice.render``.
            ears: Its speech recognition.
            tape_path: Where its own recording goes.
            on_line: Told each thing said.
        """
        self.phone: Phone | None = None
        self.on_line = on_line
        self._endpoint, self._address, self._scenario = endpoint, address, scenario
        self._lines, self._ears, self._tape_path = lines, ears, tape_path
        self._report = CallReport(scenario.name)
        self._said: list[tuple[str, Playback]] = []
        self._heard: list[tuple[Utterance, str]] = []
        self._listening: set[asyncio.Task[None]] = set()
        self._understood = asyncio.Event()
        self._mark = 0.0

    async def run(self) -> CallReport:
        """Dial, carry out the steps, hang up and report; never leaves the call standing."""
        uri = f"sip:{self._scenario.dial}@{self._address}"
        phone = self.phone = Phone.dial(self._endpoint, uri, caller=self._scenario.caller)
        phone.on_utterance = self._listen
        try:
            async with asyncio.timeout(self._scenario.max_secs):
                if await self._is_answered(phone):
                    for number, step in enumerate(self._scenario.steps, start=1):
                        await self._carry_out(phone, number, step)
        except TimeoutError:
            self._note(0, False, f"the call took longer than {self._scenario.max_secs:g} s")
        finally:
            await phone.hang_up()
        await asyncio.gather(*self._listening)
        return await self._finish(phone)

    async def _is_answered(self, phone: Phone) -> bool:
        try:
            await phone.answered(self._scenario.answer_secs)
        except SipCallError as error:
            self._report.end_status = error.status
            self._note(0, False, f"the call was refused: {error}")
            return False
        except TimeoutError:
            self._note(0, False, f"no answer within {self._scenario.answer_secs:g} s")
            return False
        self._mark = phone.answered_at or 0.0
        self._report.answer_secs = self._mark - phone.dialled_at
        return True

    async def _carry_out(self, phone: Phone, number: int, step: Step) -> None:
        try:
            match step:
                case Say():
                    await self._say(phone, number, step)
                case Expect():
                    await self._expect(phone, number, step)
                case Keys():
                    await phone.press(step.keys)
                    self._mark = time.monotonic()
                case Wait():
                    await asyncio.sleep(step.wait)
                case HangUp():
                    if step.after_quiet_secs:
                        await phone.bot_is_quiet(
                            since=self._mark, quiet_secs=step.after_quiet_secs, within_secs=10
                        )
                    await phone.hang_up()
                case BotHangsUp():
                    await phone.wait_ended(step.within_secs)
                    self._note(number, True, "the bot ended the call")
        except TimeoutError:
            self._note(number, False, "the bot did not end the call in time")
        except QuietLineError as error:
            self._note(number, False, str(error))
        except CallOverError as error:
            self._note(number, False, f"{error} before this step")

    async def _say(self, phone: Phone, number: int, step: Say) -> None:
        try:
            if step.over_bot_after is not None:
                await phone.bot_speaks(
                    since=self._mark, for_secs=step.over_bot_after, within_secs=step.within_secs
                )
            elif not step.at_once:
                await phone.bot_is_quiet(
                    since=self._mark, quiet_secs=step.quiet_secs, within_secs=step.within_secs
                )
        except QuietLineError as error:
            self._note(number, False, str(error))
        playback = await phone.say(self._lines[step.say])
        self._mark = playback.last_audible_at or time.monotonic()
        self._said.append((step.say, playback))
        if self.on_line:
            self.on_line(self._caller_line(step.say, playback))

    async def _expect(self, phone: Phone, number: int, step: Expect) -> None:
        deadline = time.monotonic() + step.within_secs
        while missing := [phrase for phrase in step.expect if not heard(phrase, self._text())]:
            self._understood.clear()
            # Words on their way count: what is being said, and what is being recognised.
            coming = bool(self._listening) or phone.bot_speaking_since is not None
            if not coming and (phone.ended or time.monotonic() >= deadline):
                break
            try:
                async with asyncio.timeout(0.1):
                    await self._understood.wait()
            except TimeoutError:
                continue
        for phrase in step.expect:
            passed = phrase not in missing
            verb = "heard" if passed else "did not hear"
            text = f"{verb} {phrase!r}" + ("" if passed else f" in {self._text()!r}")
            self._note(number, passed, text)

    def _text(self) -> str:
        """What was heard since the caller last spoke or pressed keys."""
        return " ".join(text for utterance, text in self._heard if utterance.ended_at > self._mark)

    def _listen(self, utterance: Utterance) -> None:
        task = asyncio.create_task(self._understand(utterance))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)

    async def _understand(self, utterance: Utterance) -> None:
        text = await self._ears.transcribe(utterance.pcm)
        self._heard.append((utterance, text))
        self._heard.sort(key=lambda pair: pair[0].started_at)
        self._understood.set()
        if self.on_line:
            self.on_line(self._bot_line(utterance, text))

    def _note(self, step: int, passed: bool, text: str) -> None:
        self._report.findings.append(Finding(step, passed, text))

    async def _finish(self, phone: Phone) -> CallReport:
        report, end = self._report, phone.call.end
        report.sip_call_id = phone.call.call_id
        report.ended_by = end.by if end else ""
        report.lost_packets = phone.call.media.stats.lost
        if phone.answered_at is None:
            return report
        if self._heard:
            report.first_audio_secs = self._heard[0][0].started_at - phone.answered_at
        lines = [self._caller_line(text, playback) for text, playback in self._said]
        lines += [self._bot_line(utterance, text) for utterance, text in self._heard]
        report.lines = sorted(lines, key=lambda line: line.began_secs)
        left, right = phone.channels()
        report.secs = len(left) / RATE_HZ
        if self._tape_path:
            await asyncio.to_thread(phone.save_tape, self._tape_path)
            report.tape_path = str(self._tape_path)
        report.tape = await asyncio.to_thread(measure_tape, left, right, RATE_HZ)
        return report

    def _caller_line(self, text: str, playback: Playback) -> Line:
        began = playback.first_audible_at or 0.0
        return self._line("caller", began, playback.last_audible_at or began, text)

    def _bot_line(self, utterance: Utterance, text: str) -> Line:
        return self._line("bot", utterance.started_at, utterance.ended_at, text)

    def _line(self, who, began_at: float, ended_at: float, text: str) -> Line:
        zero = (self.phone.answered_at if self.phone else None) or 0.0
        return Line(who, round(began_at - zero, 3), round(ended_at - zero, 3), text)
