"""Which numbers may be called: against mistakes, and against toll fraud."""

from collections.abc import Sequence

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType

ANY = "*"
COSTLY = frozenset(
    {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.PERSONAL_NUMBER}
)
NOT_GEOGRAPHIC = "001"
"""Satellites and the like: as dear as they sound, so that ``*`` leaves them out."""


class NumberRefusedError(Exception):
    """A number is not called.

    Parameters:
        code: ``invalid_number``, ``country_not_allowed``, ``number_blocked``, ``premium_number``.
        message: What is wrong and what to do about it.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


class NumberPolicy:
    """Knows the countries and patterns that an installation may call.

    A pattern is a number, or the beginning of one with ``*`` behind it. Blocked wins over allowed;
    what an allowed pattern names needs no allowed country and need not be a number of the public
    network, as those of a PBX are not.
    """

    def __init__(
        self,
        *,
        countries: Sequence[str] = (),
        allowed: Sequence[str] = (),
        blocked: Sequence[str] = (),
    ):
        """Initialize the policy.

        Args:
            countries: ISO 3166 codes, ``US``, ``DE``; ``*`` for all.
            allowed: Patterns.
            blocked: Patterns.
        """
        self._countries = frozenset(country.upper() for country in countries)
        self._allowed, self._blocked = tuple(allowed), tuple(blocked)

    def check(self, text: str) -> str:
        """The number as E.164, if it may be called.

        Raises:
            NumberRefusedError: It is none, or it may not.
        """
        number = _parsed(text)
        written = _e164(number)
        if _matches(written, self._blocked):
            raise NumberRefusedError(
                "number_blocked", "this number is blocked (SWITCHBOARD_CALL_BLOCKED)"
            )
        if _matches(written, self._allowed):
            return written
        if not phonenumbers.is_valid_number(number):
            raise NumberRefusedError(
                "invalid_number",
                "no telephone has this number: check its length and area code, or allow it by "
                "name in SWITCHBOARD_CALL_ALLOWED if it is one of a PBX",
            )
        self._check_cost(number)
        self._check_country(number)
        return written

    def _check_cost(self, number: PhoneNumber) -> None:
        if phonenumbers.number_type(number) in COSTLY:
            raise NumberRefusedError(
                "premium_number",
                "this number costs more than a call: only a pattern in SWITCHBOARD_CALL_ALLOWED "
                "lets it through",
            )

    def _check_country(self, number: PhoneNumber) -> None:
        country = phonenumbers.region_code_for_number(number) or NOT_GEOGRAPHIC
        if country in self._countries or (ANY in self._countries and country != NOT_GEOGRAPHIC):
            return
        allowed = ", ".join(sorted(self._countries)) or "none"
        raise NumberRefusedError(
            "country_not_allowed",
            f"calls to {country} are not allowed, but to {allowed}: SWITCHBOARD_CALL_COUNTRIES "
            "lists the countries that may be called",
        )


def e164(text: str) -> str:
    """A number as it is kept, whether or not anybody has it: ``+14155550123``.

    Raises:
        NumberRefusedError: It is none.
    """
    return _e164(_parsed(text))


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parsed(text: str) -> PhoneNumber:
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise NumberRefusedError(
            "invalid_number", "write the number as +, country code and number: +14155550123"
        ) from error
    if number.extension or any(c.isalpha() for c in text):
        raise NumberRefusedError(
            "invalid_number", "a number is digits alone: extensions are dialled by the bot"
        )
    return number


def _matches(number: str, patterns: Sequence[str]) -> bool:
    return any(
        number.startswith(pattern[:-1]) if pattern.endswith(ANY) else number == pattern
        for pattern in patterns
    )
