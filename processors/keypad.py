"""What the caller's keys do."""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    LLMMessagesAppendFrame,
    TTSSpeakFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pydantic import SecretStr

from processors.key_table import KeyAction, KeyTable, RegisteredKey
from processors.keypad_frames import HushFrame, KeyEntryFrame, KeysEnteredFrame
from processors.number_entry import NumberEntered, NumberEntry, NumberSpec
from processors.secret_entry import SecretEntry

# A key's tone may reach us later by the ear than its digit does by the wire.
TONE_SECS = 0.5
# Somebody who keys a digit too many does it soon.
TAIL_SECS = 2.0


class Keypad(FrameProcessor):
    """Takes the caller's keys: numbers that are asked for, and single keys at any moment.

    Sits right behind the taps and before the STT. A key that nobody wants travels on, as the frame
    that it came in. While a number is asked for, every key belongs to it. While that number is
    secret, all that lies behind the keypad gets silence in place of the caller's line, the recorder
    before it is told to write silence, and no frame, log or event holds a digit.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, **kwargs):
        """Initialize a keypad without a menu.

        Args:
            now: Seconds on a clock that never jumps.
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(enable_direct_mode=True, **kwargs)
        self._now = now
        self._table = KeyTable()
        self._acting: dict[str, asyncio.Task] = {}
        self._entering = False
        self._entry: NumberEntry | None = None
        self._changed = asyncio.Event()
        self._speaking = False
        self._covered = False
        self._uncovering: asyncio.Task | None = None
        self._secret_until = 0.0

    def on_key(self, key: str, action: KeyAction, *, interrupts: bool = True) -> Callable[[], None]:
        """Let ``key`` do something from now on; the latest registration counts.

        The action runs as a task of its own; while it does, the key does nothing more.

        Args:
            key: One of ``0`` to ``9``, ``*``, ``#``.
            action: What is done.
            interrupts: Whether the bot falls silent first; that cancels its tools too.

        Returns:
            Takes the registration back; what was registered before counts again.

        Raises:
            ValueError: If there is no such key.
        """
        return self._table.add(key, action, interrupts)

    async def collect(
        self, spec: NumberSpec, *, ask: str = "", again: str = "", tries: int = 3
    ) -> NumberEntered:
        """Ask for a number until one is keyed in. The first key ends the bot's sentence.

        Cancelled, it tells the LLM what was keyed so far.

        Args:
            spec: What is asked for.
            ask: The question; "" where the bot has asked already.
            again: The question of later attempts; the first one unless given.
            tries: How many attempts there are, at least one.

        Raises:
            RuntimeError: If another number is being asked for.
        """
        async with self._an_entry(secret=False):
            entry = await self._attempts(spec, (ask, again or ask), tries, secret=False)
        assert entry.verdict
        return NumberEntered(entry.verdict, entry.digits)

    async def collect_secret(
        self, spec: NumberSpec, *, ask: str = "", again: str = "", tries: int = 3
    ) -> SecretEntry:
        """Ask for a number that nobody may see; arguments and errors as for ``collect``.

        The line is covered before the question is said, and until half a second after the last key.
        """
        async with self._an_entry(secret=True):
            entry = await self._attempts(spec, (ask, again or ask), tries, secret=True)
        assert entry.verdict
        secret = SecretStr(entry.digits) if entry.verdict == "entered" else None
        return SecretEntry(entry.verdict, secret, entry.keys)

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Take the caller's keys, cover the line, pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame) and direction == FrameDirection.DOWNSTREAM:
            await self._take(frame)
            return
        if isinstance(frame, InputAudioRawFrame) and self._covered:
            frame = copy.copy(frame)  # the recorder's is not ours to change
            frame.audio = bytes(len(frame.audio))
        await self.push_frame(frame, direction)
        if isinstance(frame, (BotStartedSpeakingFrame, BotStoppedSpeakingFrame)):
            self._note_speech(isinstance(frame, BotStartedSpeakingFrame))

    async def cleanup(self):
        """Stop what the keys began."""
        await super().cleanup()
        for task in [*self._acting.values(), self._uncovering]:
            if task:
                await self.cancel_task(task)

    async def _take(self, frame: InputDTMFFrame) -> None:
        key = frame.button.value
        if self._entry:
            if not self._entry.keys:
                await self.push_frame(HushFrame())
            self._entry.press(key, self._now())
            self._changed.set()
        elif self._now() < self._secret_until:
            await self.push_frame(KeysEnteredFrame("", 1, secret=True))
        else:
            await self.push_frame(KeysEnteredFrame(key, 1))
            if registered := self._table.get(key):
                await self._act(key, registered)
            else:
                await self.push_frame(frame)

    async def _act(self, key: str, registered: RegisteredKey) -> None:
        if key in self._acting:
            return
        if registered.interrupts:
            await self.broadcast_interruption()
        self._acting[key] = self.create_task(self._carry_out(key, registered.action))

    async def _carry_out(self, key: str, action: KeyAction) -> None:
        try:
            await action()
        finally:
            self._acting.pop(key, None)

    def _note_speech(self, speaking: bool) -> None:
        self._speaking = speaking
        if self._entry:
            self._entry.bot_speaks(speaking, self._now())
            self._changed.set()

    @asynccontextmanager
    async def _an_entry(self, *, secret: bool) -> AsyncIterator[None]:
        if self._entering:
            raise RuntimeError("Another number is being asked for")
        self._entering = True
        try:
            if self._uncovering:
                await asyncio.wait({self._uncovering})
            self._covered = secret
            await self.broadcast_frame(KeyEntryFrame, active=True, secret=secret)
            yield
        finally:
            self._entering, self._entry = False, None
            if secret:
                self._secret_until = self._now() + TAIL_SECS
                self._uncovering = self.create_task(self._uncover())
            else:
                await self.broadcast_frame(KeyEntryFrame, active=False)

    async def _uncover(self) -> None:
        try:
            await asyncio.sleep(TONE_SECS)
        finally:
            self._uncovering, self._covered = None, False
            await self.broadcast_frame(KeyEntryFrame, active=False, secret=True)

    async def _attempts(
        self, spec: NumberSpec, questions: tuple[str, str], tries: int, *, secret: bool
    ) -> NumberEntry:
        entry = None
        for attempt in range(tries):
            question = questions[min(attempt, 1)]
            entry = NumberEntry(spec, self._now(), asked=bool(question), speaking=self._speaking)
            self._entry = entry
            if question:
                await self.push_frame(TTSSpeakFrame(question))
            try:
                await self._ended(entry)
            finally:
                await self._note_keys(entry, secret)
            if entry.verdict in ("entered", "cancelled"):
                break
        assert entry
        return entry

    async def _ended(self, entry: NumberEntry) -> None:
        while secs := entry.wait(self._now()):
            self._changed.clear()
            try:
                async with asyncio.timeout(secs):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _note_keys(self, entry: NumberEntry, secret: bool) -> None:
        if entry.keys:
            keys = "" if secret else entry.digits
            await self.push_frame(KeysEnteredFrame(keys, entry.keys, secret))
        if entry.digits and entry.verdict is None and not secret:
            told = f"The caller had keyed in {' '.join(entry.digits)} before speaking."
            await self.push_frame(
                LLMMessagesAppendFrame([{"role": "developer", "content": told}], run_llm=False)
            )
