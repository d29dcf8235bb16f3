"""The phones of ``switchboard up``: who may register, each with a password of this run."""

import secrets
from dataclasses import dataclass, field

DESK_NUMBERS = ("+15550180", "+15550181")
ANYBODY = "+15550190"


@dataclass(frozen=True)
class PhoneLogin:
    """What a softphone is set up with.

    Parameters:
        number: What it is called by.
        user: Name of the account.
        password: Its secret, of this run alone.
    """

    number: str
    user: str
    password: str = field(repr=False)


def phones_of_this_run() -> tuple[PhoneLogin, ...]:
    """The desk's two phones and one for anybody; the user is the number without its plus."""
    numbers = (*DESK_NUMBERS, ANYBODY)
    return tuple(PhoneLogin(n, n.removeprefix("+"), secrets.token_urlsafe(12)) for n in numbers)
