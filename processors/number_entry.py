"""A number on its way in, key by key. Pure: it takes keys and times, it asks for nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["entered", "too_short", "refused", "silent", "cancelled"]

# How long a sentence may take until its first sound.
VOICE_SECS = 3.0
MAX_DIGITS = 32


@dataclass(frozen=True)
class NumberSpec:
    """What is asked for.

    Parameters:
        min_digits: Fewer are too few.
        max_digits: The last of so many ends the entry.
        terminator: Key that ends it earlier; "" for none. Before the first digit it means nothing.
        back: Key that takes back what was keyed, and gives up where nothing was; "" for none.
        first_key_secs: Silence after the question until the first key.
        next_key_secs: Silence after a key until the entry is over.
        check: Whether a number of the right length can be one.

    Raises:
        ValueError: If no number fits.
    """

    min_digits: int = 1
    max_digits: int = 20
    terminator: str = "#"
    back: str = "*"
    first_key_secs: float = 8.0
    next_key_secs: float = 4.0
    check: Callable[[str], bool] | None = None

    def __post_init__(self):
        if not 1 <= self.min_digits <= self.max_digits <= MAX_DIGITS:
            raise ValueError(
                f"{self.min_digits} to {self.max_digits} digits is no length within 1 to "
                f"{MAX_DIGITS}"
            )


@dataclass(frozen=True)
class NumberEntered:
    """What came of asking for a number.

    Parameters:
        verdict: How it ended.
        digits: What was keyed in the last attempt.
    """

    verdict: Verdict
    digits: str = ""


class NumberEntry:
    """One attempt to key a number in.

    The first key is waited for once the bot has asked: while it speaks no time passes, and a voice
    that has not begun yet gets three seconds. Times are seconds on one clock.

    Parameters:
        digits: What was keyed so far.
        keys: How many keys were pressed, all kinds.
        verdict: How it ended; None while it goes on.
    """

    def __init__(self, spec: NumberSpec, at: float, *, asked: bool = True, speaking: bool = False):
        """Begin to wait.

        Args:
            spec: What is asked for.
            at: Now.
            asked: Whether the bot is about to ask.
            speaking: Whether it speaks at this moment.
        """
        self.digits = ""
        self.keys = 0
        self.verdict: Verdict | None = None
        self._spec = spec
        self._speaking = speaking
        self._deadline = at + spec.first_key_secs + (VOICE_SECS if asked else 0.0)

    def bot_speaks(self, speaking: bool, at: float) -> None:
        """The bot began or ended a sentence."""
        self._speaking = speaking
        if not self.keys and not speaking:
            self._deadline = at + self._spec.first_key_secs

    def press(self, key: str, at: float) -> None:
        """The caller pressed a key."""
        if self.verdict:
            return
        self.keys += 1
        self._deadline = at + self._spec.next_key_secs
        if key == self._spec.terminator:
            if self.digits:
                self._end()
        elif key == self._spec.back:
            if not self.digits:
                self.verdict = "cancelled"
            self.digits = ""
        elif key.isdigit():
            self.digits += key
            if len(self.digits) == self._spec.max_digits:
                self._end()

    def wait(self, at: float) -> float:
        """Take note of the time.

        Returns:
            Seconds until it has to be told the time again; 0 once there is a verdict.
        """
        if self.verdict is None and self._left(at) <= 0:
            self._end()
        return 0.0 if self.verdict else self._left(at)

    def _left(self, at: float) -> float:
        if self._speaking and not self.keys:
            return self._spec.first_key_secs
        return self._deadline - at

    def _end(self) -> None:
        spec = self._spec
        if not self.digits:
            self.verdict = "silent"
        elif len(self.digits) < spec.min_digits:
            self.verdict = "too_short"
        elif spec.check and not spec.check(self.digits):
            self.verdict = "refused"
        else:
            self.verdict = "entered"
