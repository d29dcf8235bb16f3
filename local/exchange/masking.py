"""Telephone numbers for logs: recognisable, not readable."""

import re

_NUMBER = re.compile(r"\+?\d{7,15}")


def masked(text: str) -> str:
    """Hide the middle of every number in ``text``: ``+15557777`` becomes ``+1555•••7777``."""
    return _NUMBER.sub(lambda match: f"{match[0][:5]}•••{match[0][-4:]}", text)
