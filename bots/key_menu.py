"""What the keys of a bot's menu do, and whether they can."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from pipecat.frames.frames import InterruptionFrame, LLMMessagesAppendFrame
from pipecat.pipeline.worker import PipelineWorker

from bots.bot import Bot
from bots.config import BotConfig, KeyMeaning
from bots.desk_words import caller_words, offer_of
from bots.desks import FILE, Desks
from bots.speaker import Speaker
from flows.call_resources import TransferReport
from processors.caller_gate import CallerGate
from processors.keypad import Keypad
from services.problem import Problem


def key_problems(path: Path, config: BotConfig, desks: Desks) -> Iterator[Problem]:
    """What keeps a bot's keys from doing what its file says."""
    if config.keys and config.tts is None:
        remedy = "add stt, llm and tts, or remove it"
        yield Problem(str(path), "keys", "needs a bot that talks", remedy)
    if "0" in config.keys and config.escalation and "key_0" in config.escalation.on:
        remedy = "remove it here, or key_0 from escalation.on"
        yield Problem(str(path), "keys.0", "is the key of escalation already", remedy)
    for key, meaning in config.keys.items():
        if meaning.transfer and meaning.transfer not in desks.by_name:
            known = ", ".join(desks.by_name) or f"the desks of {FILE} (none yet)"
            message = f"'{meaning.transfer}' is not one of {known}"
            remedy = f"add it to {path.parent / FILE}"
            yield Problem(str(path), f"keys.{key}.transfer", message, remedy)


class KeyMenu:
    """Gives the keys of one call their meaning.

    They mean nothing while the caller waits for a person or talks to one.
    """

    def __init__(
        self,
        bot: Bot,
        worker: PipelineWorker,
        speaker: Speaker,
        caller_gate: CallerGate,
        transfer: Callable[[str, str], Awaitable[TransferReport]],
    ):
        """Initialize; no key has a meaning yet.

        Args:
            bot: Whose keys they are.
            worker: Of the call.
            speaker: Says sentences.
            caller_gate: Is shut while the caller is not the bot's.
            transfer: Hands the caller to a desk for a reason.
        """
        self._bot, self._worker, self._speaker = bot, worker, speaker
        self._caller_gate, self._transfer = caller_gate, transfer

    def arm(self, keypad: Keypad) -> None:
        """Register every key of the menu."""
        for key, meaning in self._bot.config.keys.items():
            # What is interrupted is known only once the gate was asked.
            keypad.on_key(key, self._action(key, meaning), interrupts=False)

    def _action(self, key: str, meaning: KeyMeaning) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            if self._caller_gate.is_shut:
                return
            if meaning.say:
                await self._speaker.say(meaning.say, at_once=True)
                return
            await self._worker.queue_frame(InterruptionFrame())
            if meaning.ask:
                said = LLMMessagesAppendFrame([{"role": "user", "content": meaning.ask}], True)
                await self._worker.queue_frame(said)
            elif meaning.transfer:
                await self._hand_over(meaning.transfer, f"the caller pressed {key}")

        return act

    async def _hand_over(self, desk: str, reason: str) -> None:
        report = await self._transfer(desk, reason)
        if not report.spoken:
            words = caller_words(self._bot.config.language)
            await self._speaker.say(words.failed("failed", offer_of(self._bot.tools), None))
