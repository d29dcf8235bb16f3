"""Which action belongs to which key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

KEYS = "0123456789*#"

KeyAction = Callable[[], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class RegisteredKey:
    """One action of a key.

    Parameters:
        action: What is done.
        interrupts: Whether the bot falls silent first.
    """

    action: KeyAction
    interrupts: bool


class KeyTable:
    """Actions by key; of several the latest counts, until it is taken back."""

    def __init__(self):
        self._actions: dict[str, list[RegisteredKey]] = {}

    def add(self, key: str, action: KeyAction, interrupts: bool) -> Callable[[], None]:
        """Register an action; the result takes it back, once or more often.

        Raises:
            ValueError: If there is no such key.
        """
        if len(key) != 1 or key not in KEYS:
            raise ValueError(f"{key!r} is not one of the keys {' '.join(KEYS)}")
        registered = RegisteredKey(action, interrupts)
        actions = self._actions.setdefault(key, [])
        actions.append(registered)

        def take_back() -> None:
            if registered in actions:
                actions.remove(registered)

        return take_back

    def get(self, key: str) -> RegisteredKey | None:
        """What the key does now."""
        actions = self._actions.get(key)
        return actions[-1] if actions else None
