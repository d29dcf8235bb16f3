"""Identifiers in LiveKit's form: a prefix and 12 characters that no one mistakes for another."""

import secrets

# shortuuid's alphabet, which LiveKit uses: base 57, without 0, 1, I, O and l.
_BASE57 = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_id(prefix: str = "") -> str:
    """Return ``prefix`` and 12 random characters, such as ``RM_Cr5S2gbWTaNc``."""
    return prefix + random_text(12)


def random_text(length: int) -> str:
    """Return ``length`` random characters; also ICE user fragments and passwords."""
    return "".join(secrets.choice(_BASE57) for _ in range(length))
