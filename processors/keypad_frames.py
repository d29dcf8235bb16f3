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
