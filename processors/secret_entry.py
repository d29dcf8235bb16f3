"""Numbers that nobody may see: what they look like."""

from dataclasses import dataclass

from pydantic import SecretStr

from processors.number_entry import NumberSpec, Verdict


@dataclass(frozen=True)
class SecretEntry:
    """What came of asking for a secret number.

    Parameters:
        verdict: How it ended.
        secret: The digits, for whoever charges the card or checks the PIN; None unless entered.
        count: How many keys were pressed in the last attempt.
    """

    verdict: Verdict
    secret: SecretStr | None = None
    count: int = 0


def luhn_valid(digits: str) -> bool:
    """Whether the last digit of a card's number fits the others (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


CARD = NumberSpec(min_digits=12, max_digits=19, first_key_secs=20.0, check=luhn_valid)
PIN = NumberSpec(min_digits=4, max_digits=8, first_key_secs=12.0)
SECURITY_CODE = NumberSpec(min_digits=3, max_digits=4, first_key_secs=12.0)
