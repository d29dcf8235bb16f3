"""What may happen in a transfer, and what may be done about it. Plain values."""

from dataclasses import dataclass
from typing import Literal

from records.transfers import TransferMode, TransferOutcome
from transports.leg import LegResult


@dataclass(frozen=True)
class TransferPlan:
    """What to try.

    Parameters:
        mode: Whether the person is told first.
        numbers: Whom to dial, in order.
        ring_secs: How long each may ring.
        answer_secs: How long the person may think about each question.
        questions: How often they are asked.
    """

    mode: TransferMode
    numbers: tuple[str, ...]
    ring_secs: float = 30.0
    answer_secs: float = 8.0
    questions: int = 2


# -- events --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Announced:
    """The sentence to the caller was played."""


@dataclass(frozen=True)
class Dialled:
    """The phone that is being dialled was answered, or will not be."""

    result: LegResult


@dataclass(frozen=True)
class Asked:
    """The briefing, or the question after it, was played."""


@dataclass(frozen=True)
class Heard:
    """The person took or refused the call, or is no person."""

    what: Literal["accept", "decline", "machine"]


@dataclass(frozen=True)
class HumanLeft:
    """The person's phone hung up."""


@dataclass(frozen=True)
class CallerLeft:
    """The caller hung up, or their call ends for another reason."""


@dataclass(frozen=True)
class CalledBack:
    """Somebody wants the bot back."""


@dataclass(frozen=True)
class Referred:
    """The REFER has an end."""

    result: LegResult


@dataclass(frozen=True)
class Broke:
    """Something of ours cannot go on."""

    why: str


@dataclass(frozen=True)
class TimeUp:
    """``deadline`` has come."""


TransferEvent = (
    Announced
    | Dialled
    | Asked
    | Heard
    | HumanLeft
    | CallerLeft
    | CalledBack
    | Referred
    | Broke
    | TimeUp
)

# -- actions -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Announce:
    """Tell the caller what happens now; ends in ``Announced``."""


@dataclass(frozen=True)
class PlayHold:
    """Let the caller hear that they are waiting."""


@dataclass(frozen=True)
class Dial:
    """Ring this number; ends in ``Dialled``."""

    number: str


@dataclass(frozen=True)
class CancelDial:
    """Stop the ringing at once; no ``Dialled`` follows."""


@dataclass(frozen=True)
class Brief:
    """Tell the person who calls and ask whether they take it; ends in ``Asked``."""


@dataclass(frozen=True)
class AskAgain:
    """Repeat the question; ends in ``Asked``."""


@dataclass(frozen=True)
class Note:
    """Nothing came of the number that was tried."""

    outcome: TransferOutcome
    sip_code: int | None = None
    sip_status: str = ""


@dataclass(frozen=True)
class HangUpHuman:
    """End the person's leg."""


@dataclass(frozen=True)
class Bridge:
    """Let both hear each other; the bot falls silent."""


@dataclass(frozen=True)
class Unbridge:
    """Part them."""


@dataclass(frozen=True)
class Refer:
    """Send the caller's phone to this number; ends in ``Referred``."""

    number: str


@dataclass(frozen=True)
class Return:
    """The caller is the bot's again."""


@dataclass(frozen=True)
class EndCall:
    """The call is over: it did what it was to do."""


TransferAction = (
    Announce
    | PlayHold
    | Dial
    | CancelDial
    | Brief
    | AskAgain
    | Note
    | HangUpHuman
    | Bridge
    | Unbridge
    | Refer
    | Return
    | EndCall
)
Actions = list[TransferAction]


@dataclass(frozen=True)
class TransferResult:
    """How it ended.

    Parameters:
        outcome: What came of it.
        sip_code: The last number's final SIP status, where it is known.
        sip_status: Its reason phrase, or LiveKit's words.
        called_back: The bot was called back out of the talk.
    """

    outcome: TransferOutcome
    sip_code: int | None = None
    sip_status: str = ""
    called_back: bool = False
