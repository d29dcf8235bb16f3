"""What the keypad tells the other processors."""

from dataclasses import dataclass, field

from pipecat.frames.frames import SystemFrame


@dataclass
class KeysEnteredFrame(SystemFrame):
    """The caller pressed keys, for the record.

    Parameters:
        keys: Which; empty when they are secret.
        count: How many.
        secret: Whether nobody may know which.
    """

    keys: str = field(repr=False)
    count: int
    secret: bool = False

    def __str__(self):
        return f"{self.name}(count: {self.count}, secret: {self.secret})"


@dataclass
class KeyEntryFrame(SystemFrame):
    """A number begins or ends to be keyed in; broadcast both ways.

    Parameters:
        active: Whether it begins.
        secret: Whether nothing may be kept of what the caller's line carries meanwhile.
    """

    active: bool
    secret: bool = False


@dataclass
class HushFrame(SystemFrame):
    """Ends what the bot is saying, and leaves a tool under way alone."""
