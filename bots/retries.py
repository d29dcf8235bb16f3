"""When it is worth while to call somebody again."""

from collections.abc import Mapping

from transports.leg import LegResult

RETRY_SECS: Mapping[str, tuple[int, ...]] = {
    "busy": (60, 300, 900),
    "no_answer": (900, 3600, 14400),
    "voicemail": (3600, 14400),
    "trunk_failure": (30, 120, 600),
    "failed": (30, 120, 600),
}
"""Seconds after the first, second … attempt; behind the last one it is enough."""


def retry_secs(outcome: str, attempt: int) -> int | None:
    """Seconds until the next attempt; None: another one is not worth while.

    Args:
        outcome: How this attempt ended, as ``LegResult`` and the record name it.
        attempt: Its number, from 1.
    """
    waits = RETRY_SECS.get(outcome, ())
    return waits[attempt - 1] if attempt <= len(waits) else None


def retry_after_secs(result: LegResult, attempt: int) -> int | None:
    """The same, for what came of dialling."""
    return retry_secs(result.outcome, attempt) if result.retryable else None
