"""Tells a person from an answering machine at the other end of an outgoing call."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal

from pipecat.classifiers.base_classifier import BaseClassifier
from pipecat.extensions.voicemail.voicemail_detector import VoicemailDetector
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_input import BaseInputTransport

from processors.answer_gate import AnswerGate
from processors.beep import BeepDetector

# A greeting goes on after a pause of this length, a person waits.
PAUSE_SECS = 1.2
# A machine that has stopped for so long and did not beep records already.
NO_BEEP_SECS = 2.5
# A machine is silent after its beep; a person whose line beeps goes on to speak.
AFTER_BEEP_SECS = 1.0
# Somebody who picks up and says nothing waits for the caller to speak.
SILENT_SECS = 4.0

Verdict = Literal["person", "machine"]


class FarEndJudge(BaseObserver):
    """Says once who answered, by words, by a beep, or by silence.

    The words go to Pipecat's ``VoicemailDetector``, which asks a classifier at every pause. The
    beep is heard in the audio itself, and outweighs the words: "Hi, it's Ada" is what a person
    says, and how a greeting ends. A machine is told once it can be spoken to: after its beep, or
    after ``NO_BEEP_SECS`` of silence.

    Costs about 1 ms of processor time for a second of speech until the verdict.

    Events:

    - on_beep(judge, Beep): a machine's beep has just ended
    - on_person(judge, by): ``words`` or ``silence``
    - on_machine(judge, by): ``words`` or ``beep``

    Parameters:
        verdict: None while it is not known.
        gate: For the pipeline, before the LLM: the bot says nothing before the verdict.
        detector: For the pipeline, behind the STT; it is None until ``ask_with()``.
        spoken: Set whenever the bot stops to speak.
    """

    def __init__(self, **kwargs):
        """Initialize; nothing is judged before ``start()``.

        Args:
            **kwargs: Arguments of ``BaseObserver``.
        """
        super().__init__(observe_every_push=False, **kwargs)
        self.verdict: Verdict | None = None
        self.gate = AnswerGate()
        self.detector: VoicemailDetector | None = None
        self.spoken = asyncio.Event()
        self._beeps: BeepDetector | None = None
        self._words = False
        self._started = False
        self._beeped: asyncio.Task[None] | None = None
        self._silent: asyncio.Task[None] | None = None
        for event in ("on_beep", "on_person", "on_machine"):
            self._register_event_handler(event)

    def ask_with(self, classifier: BaseClassifier) -> VoicemailDetector:
        """Make the processor that weighs the words; it belongs behind the STT."""
        self.detector = detector = VoicemailDetector(
            classifier=classifier,
            decision_timeout=PAUSE_SECS,
            voicemail_response_delay=NO_BEEP_SECS,
        )

        @detector.event_handler("on_conversation_detected")
        async def on_conversation_detected(_):
            if self._beeped is None:
                await self._judge("person", "words")

        @detector.event_handler("on_voicemail_detected")
        async def on_voicemail_detected(_):
            if self._beeped is None:
                await self._judge("machine", "words")

        return detector

    def start(self) -> None:
        """The far end has answered."""
        self._started = True
        self._wait_silent()

    async def on_push_frame(self, data: FramePushed) -> None:
        """Listen for the beep, and for silence."""
        if isinstance(data.frame, BotStoppedSpeakingFrame):
            self.spoken.set()
        if self.verdict or not self._started:
            return
        match frame := data.frame:
            case InputAudioRawFrame() if isinstance(data.source, BaseInputTransport):
                self._beeps = self._beeps or BeepDetector(frame.sample_rate)
                if beep := self._beeps.hear(frame.audio):
                    await self._call_event_handler("on_beep", beep)
                    self._stop_waiting()
                    self._beeped = self._later(AFTER_BEEP_SECS, self._judge("machine", "beep"))
            case VADUserStartedSpeakingFrame():
                self._stop_waiting()
            case VADUserStoppedSpeakingFrame():
                self._wait_silent()
            case TranscriptionFrame() if frame.text.strip():
                self._words = True

    async def cleanup(self) -> None:
        """Stop with the pipeline."""
        await super().cleanup()
        self._stop_waiting()

    async def _judge(self, verdict: Verdict, by: str) -> None:
        if self.verdict is None:
            self.verdict = verdict
            await self._call_event_handler(f"on_{verdict}", by)

    async def _judge_silence(self) -> None:
        # Where words were heard, the detector decides.
        if not self._words and self._beeped is None:
            await self._judge("person", "silence")

    def _wait_silent(self) -> None:
        if self._silent is None:
            self._silent = self._later(SILENT_SECS, self._judge_silence())

    def _later(self, secs: float, then: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def wait() -> None:
            try:
                await asyncio.sleep(secs)
            except asyncio.CancelledError:
                then.close()
                raise
            await then

        return asyncio.create_task(wait())

    def _stop_waiting(self) -> None:
        for task in (self._beeped, self._silent):
            if task:
                task.cancel()
        self._beeped = self._silent = None
