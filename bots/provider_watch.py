"""Decides what a provider's error, or its silence, means for the caller."""

from loguru import logger
from pipecat.frames.frames import ErrorFrame
from pipecat.services.ai_service import AIService
from pipecat.services.stt_service import STTService

from bots.ending import Ending, EndingGate
from bots.sentences import Sentences
from bots.speaker import Speaker

MAX_LOST_ANSWERS = 2
REASON_CHARS = 120


class ProviderWatch:
    """Ends a call whose provider refuses; asks the caller again when one answer was lost.

    A service that can no longer work (a rejected key, model or voice) ends the call with an
    apology, or before it is answered. An LLM or TTS that failed once leaves the caller without an
    answer: they are asked to say it again, and the third time the call ends. An STT reconnects by
    itself.
    """

    def __init__(self, gate: EndingGate, speaker: Speaker, sentences: Sentences):
        """Initialize with the way out, the way to speak and what to say."""
        self.answered = False
        self._gate = gate
        self._speaker = speaker
        self._sentences = sentences
        self._lost_answers = 0

    async def on_error(self, frame: ErrorFrame) -> None:
        """Handle an error that reached the pipeline's worker."""
        service = frame.processor
        if not isinstance(service, AIService):
            return
        reason = f"{service.name}: {frame.error}"[:REASON_CHARS]
        if not service.is_usable:
            logger.error(f"{service.name} cannot work: the call ends")
            self._gate.close(
                Ending(
                    "provider_failure", reason, say=self._sentences.apology if self.answered else ""
                )
            )
        elif not isinstance(service, STTService):
            await self._answer_lost(reason)

    async def on_silence(self, name: str) -> None:
        """Handle an LLM that was asked and does not begin to answer."""
        logger.warning(f"{name} does not answer")
        await self._answer_lost(f"{name}: no answer", at_once=True)

    async def _answer_lost(self, reason: str, *, at_once: bool = False) -> None:
        if not self.answered or self._gate.ending:
            return
        self._lost_answers += 1
        if self._lost_answers > MAX_LOST_ANSWERS:
            self._gate.close(Ending("provider_failure", reason, say=self._sentences.apology))
        else:
            await self._speaker.say(self._sentences.say_again, at_once=at_once)
