"""One person on an answered call: carries out the steps of a script and judges what is heard."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from local.callers.heard_words import HeardWords, Transcriber
from local.callers.listener import RATE_HZ, Utterance
from local.callers.phone import CallOverError, Phone, QuietLineError
from local.callers.phrases import heard
from local.callers.report import CallReport, Finding, Line, Who
from local.callers.scenario import Script
from local.callers.steps import (
    Beep,
    BotHangsUp,
    Chat,
    Expect,
    HangUp,
    Hear,
    Keys,
    Say,
    Step,
    Wait,
)
from local.sip.pacer import Playback
from records.tape import measure_tape

_BEEP_HZ = 1000


class Actor:
    """Carries out a script on one phone.

    A step that fails is noted and the call goes on: the report shows everything that was wrong.

    Parameters:
        report: What came of the call so far.
        on_line: Told each thing said, by either side, when its words are known.
    """

    def __init__(
        self,
        phone: Phone,
        script: Script,
        *,
        lines: Mapping[str, np.ndarray],
        ears: Transcriber,
        who: Who = "caller",
        on_line: Callable[[Line], None] | None = None,
    ):
        """Initialize; ``perform`` begins once the call is answered.

        Args:
            phone: The line.
            script: What to do.
            lines: Audio of everything that will be said, from ``Voice.render``.
            ears: Recognises what is heard.
            who: Who this is.
            on_line: Told each thing said.
        """
        self.on_line = on_line
        self.report = CallReport(script.name)
        self._phone, self._script, self._lines = phone, script, lines
        self._who: Who = who
        self._words = HeardWords(ears, self._told)
        self._said: list[tuple[str, Playback]] = []
        self._mark = 0.0
        phone.on_utterance = self._words.listen

    async def perform(self) -> None:
        """Carry out all steps of the answered call."""
        self._mark = self._phone.answered_at or 0.0
        for number, step in enumerate(self._script.steps, start=1):
            await self._carry_out(number, step)

    def note(self, step: int, passed: bool, text: str) -> None:
        """Add a finding."""
        self.report.findings.append(Finding(step, passed, text))

    async def finish(self, tape_path: Path | None = None) -> CallReport:
        """The report of a call that is over.

        Args:
            tape_path: Where the person's own recording goes.
        """
        await self._words.settled()
        phone, report, end = self._phone, self.report, self._phone.call.end
        report.sip_call_id = phone.call.call_id
        report.ended_by = end.by if end else ""
        report.lost_packets = phone.call.media.stats.lost
        if phone.answered_at is None:
            return report
        for phrase in self._script.never:
            passed = not heard(phrase, self._words.since(0.0))
            self.note(0, passed, f"{'never heard' if passed else 'heard'} {phrase!r}")
        utterances = self._words.utterances
        if utterances:
            report.first_audio_secs = utterances[0].started_at - phone.answered_at
        report.music = [
            (round(m.started_at - phone.answered_at, 3), round(m.ended_at - phone.answered_at, 3))
            for m in phone.music
        ]
        lines = [self._own_line(text, playback) for text, playback in self._said]
        lines += [self._far_line(utterance) for utterance in utterances]
        report.lines = sorted(lines, key=lambda line: line.began_secs)
        left, right = phone.channels()
        report.secs = len(left) / RATE_HZ
        if tape_path:
            await asyncio.to_thread(phone.save_tape, tape_path)
            report.tape_path = str(tape_path)
        report.tape = await asyncio.to_thread(measure_tape, left, right, RATE_HZ)
        return report

    async def _carry_out(self, number: int, step: Step) -> None:
        phone = self._phone
        try:
            match step:
                case Say():
                    await self._say(number, step)
                case Chat():
                    await self._chat(step)
                case Expect():
                    await self._expect(number, step)
                case Hear():
                    await self._hear(number, step)
                case Keys():
                    await self._press(step)
                case Beep():
                    await phone.say(_beep(step.beep))
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
                    self.note(number, True, "the far end ended the call")
        except TimeoutError:
            self.note(number, False, "the far end did not end the call in time")
        except QuietLineError as error:
            self.note(number, False, str(error))
        except CallOverError as error:
            self.note(number, False, f"{error} before this step")

    async def _say(self, number: int, step: Say) -> None:
        try:
            if step.over_bot_after is not None:
                await self._phone.bot_speaks(
                    since=self._mark, for_secs=step.over_bot_after, within_secs=step.within_secs
                )
            elif not step.at_once:
                await self._phone.bot_is_quiet(
                    since=self._mark, quiet_secs=step.quiet_secs, within_secs=step.within_secs
                )
        except QuietLineError as error:
            self.note(number, False, str(error))
        await self._speak(step.say)

    async def _press(self, step: Keys) -> None:
        if step.over_bot_after is not None:
            await self._phone.bot_speaks(
                since=self._mark, for_secs=step.over_bot_after, within_secs=step.within_secs
            )
        self._mark = time.monotonic()
        await self._phone.press(step.keys)

    async def _speak(self, text: str) -> None:
        playback = await self._phone.say(self._lines[text])
        self._mark = playback.last_audible_at or time.monotonic()
        self._said.append((text, playback))
        if self.on_line:
            self.on_line(self._own_line(text, playback))

    async def _chat(self, step: Chat) -> None:
        try:
            for text in step.chat:
                try:
                    await self._phone.bot_is_quiet(
                        since=self._mark, quiet_secs=step.quiet_secs, within_secs=step.within_secs
                    )
                except QuietLineError as error:
                    if error.code != "silent":
                        raise
                await self._speak(text)
        except CallOverError:
            # Whoever talks to this person may say goodbye at any time.
            return

    async def _expect(self, number: int, step: Expect) -> None:
        deadline = time.monotonic() + step.within_secs
        while missing := self._missing(step):
            # Words on their way count: what is being said, and what is being recognised.
            coming = self._words.coming or self._phone.bot_speaking_since is not None
            if not coming and (self._phone.ended or time.monotonic() >= deadline):
                break
            await self._words.more(0.1)
        for phrase in step.expect:
            passed = phrase not in missing
            verb = "heard" if passed else "did not hear"
            by = "" if step.voice == "any" else f" by the {step.voice} voice"
            text = f"{verb} {phrase!r}{by}"
            self.note(number, passed, text if passed else f"{text} in {self._text(step)!r}")

    async def _hear(self, number: int, step: Hear) -> None:
        deadline = time.monotonic() + step.within_secs
        while not self._music_since_mark(step.for_secs):
            left = deadline - time.monotonic()
            if left <= 0 or self._phone.ended:
                self.note(number, False, f"no music for {step.for_secs:g} s")
                return
            await self._phone.change(min(left, 0.1))
        self.note(number, True, f"music for {step.for_secs:g} s")

    def _music_since_mark(self, secs: float) -> bool:
        late = [m for m in self._phone.music if m.ended_at > self._mark]
        return any(m.ended_at - max(m.started_at, self._mark) >= secs for m in late)

    def _missing(self, step: Expect) -> list[str]:
        text = self._text(step, step.voice)
        return [phrase for phrase in step.expect if not heard(phrase, text)]

    def _text(self, step: Expect, voice: str = "any") -> str:
        return self._words.since(0.0 if step.ever else self._mark, voice)

    def _told(self, utterance: Utterance) -> None:
        if self.on_line:
            self.on_line(self._far_line(utterance))

    def _own_line(self, text: str, playback: Playback) -> Line:
        began = playback.first_audible_at or 0.0
        return self._line(self._who, began, playback.last_audible_at or began, text)

    def _far_line(self, utterance: Utterance) -> Line:
        who: Who = "line"
        if self._who == "caller":
            who = "human" if self._words.by_other_voice(utterance) else "bot"
        text = self._words.text_of(utterance)
        return self._line(who, utterance.started_at, utterance.ended_at, text)

    def _line(self, who: Who, began_at: float, ended_at: float, text: str) -> Line:
        zero = self._phone.answered_at or 0.0
        return Line(who, round(began_at - zero, 3), round(ended_at - zero, 3), text)


def _beep(secs: float) -> np.ndarray:
    at = np.arange(round(secs * RATE_HZ)) / RATE_HZ
    return (8000 * np.sin(2 * np.pi * _BEEP_HZ * at)).astype(np.int16)
