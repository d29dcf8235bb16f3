"""What an installation allows of outgoing calls."""

from dataclasses import dataclass, field
from typing import Self

from records.placed_calls import PlacingLimits
from server.limits_numbers import NumberPolicy
from server.settings import Settings

# LiveKit's own end of a call comes only where ours failed.
FENCE_SECS = 60.0


@dataclass(frozen=True)
class CallPolicy:
    """Whom to call, how often, by what way.

    Parameters:
        numbers: Which numbers.
        limits: How often, by number and by key.
        per_trunk: Calls at the same time over one trunk by this server; 0 is no limit.
        max_call_secs: When LiveKit itself hangs up.
        trunk: The outbound trunk unless a request names one; "" is the only one there is.
    """

    numbers: NumberPolicy = field(default_factory=NumberPolicy)
    limits: PlacingLimits = PlacingLimits()
    per_trunk: int = 0
    max_call_secs: float = 3600.0 + FENCE_SECS
    trunk: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say."""
        return cls(
            NumberPolicy(
                countries=words(settings.call_countries),
                allowed=words(settings.call_allowed),
                blocked=words(settings.call_blocked),
            ),
            PlacingLimits(per_number=settings.calls_per_number, per_key=settings.calls_per_minute),
            per_trunk=settings.calls_per_trunk,
            max_call_secs=settings.max_call_secs + FENCE_SECS,
            trunk=settings.call_trunk,
        )


def words(text: str) -> tuple[str, ...]:
    """The parts of a list in one setting, by commas or spaces."""
    return tuple(text.replace(",", " ").split())
