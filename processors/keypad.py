"""What the caller's keys do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipecat.frames.frames import Frame, InputDTMFFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from processors.keypad_frames import KeysEnteredFrame

KEYS = "0123456789*#"
KeyAction = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class _Registered:
    """One action of a key."""

    action: KeyAction
    interrupts: bool


class Keypad(FrameProcessor):
    """Carries out what is registered for a key, at any moment, also while the bot speaks.

    Sits right behind the taps and before the STT. A key that nobody wants travels on, as the frame
    that it came in.
    """

    def __init__(self, **kwargs):
        """Initialize a keypad without a menu.

        Args:
            **kwargs: Arguments of ``FrameProcessor``.
        """
        super().__init__(**kwargs)
        self._actions: dict[str, list[_Registered]] = {}
        self._running: dict[str, asyncio.Task] = {}

    def on_key(self, key: str, action: KeyAction, *, interrupts: bool = True) -> Callable[[], None]:
        """Let ``key`` do something from now on; the latest registration counts.

        The action runs as a task of its own; while it does, the key does nothing more.

        Args:
            key: One of ``0`` to ``9``, ``*``, ``#``.
            action: What is done.
            interrupts: Whether the bot falls silent first, tools that can be cancelled included.

        Returns:
            Takes the registration back; what was registered before counts again.

        Raises:
            ValueError: If there is no such key.
        """
        if len(key) != 1 or key not in KEYS:
            raise ValueError(f"{key!r} is not one of the keys {' '.join(KEYS)}")
        registered = _Registered(action, interrupts)
        actions = self._actions.setdefault(key, [])
        actions.append(registered)
        return lambda: actions.remove(registered) if registered in actions else None

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Take the caller's keys, pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputDTMFFrame) and direction == FrameDirection.DOWNSTREAM:
            await self._take(frame)
        else:
            await self.push_frame(frame, direction)

    async def cleanup(self):
        """Stop what the keys began."""
        await super().cleanup()
        for task in list(self._running.values()):
            await self.cancel_task(task)

    async def _take(self, frame: InputDTMFFrame) -> None:
        key = frame.button.value
        await self.push_frame(KeysEnteredFrame(key, 1))
        if actions := self._actions.get(key):
            await self._act(key, actions[-1])
        else:
            await self.push_frame(frame)

    async def _act(self, key: str, registered: _Registered) -> None:
        if key in self._running:
            return
        if registered.interrupts:
            await self.broadcast_interruption()
        task = self.create_task(self._carry_out(key, registered.action), f"key {key}")
        self._running[key] = task

    async def _carry_out(self, key: str, action: KeyAction) -> None:
        try:
            await action()
        finally:
            self._running.pop(key, None)
