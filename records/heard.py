"""Lays the tape's turns beside the traced ones."""

from collections.abc import Mapping, Sequence
from typing import Any

TOLERANCE_SECS = 1.0


def heard_by_turn(
    bot_started: Mapping[int, float],
    tape: Mapping[str, Any],
    recording_began: float | None,
    first_bot_sound: float | None,
) -> dict[int, float]:
    """Find for each answered turn what the caller waited, by order of time.

    Call and tape count seconds from different moments. ``RecordingStarted`` says how far they are
    apart; without it the bot's first sound does, which both know. Then the turns of both are walked
    in order, and an answer on the tape belongs to the traced turn whose answer began next to it,
    within ``TOLERANCE_SECS``. A turn that only one of them knows stays alone.

    Args:
        bot_started: Call time at which the answer to each turn began, by turn, in order.
        tape: ``records.tape_report.TapeReport`` as a dictionary.
        recording_began: Call time of the recording's first sample.
        first_bot_sound: Call time at which the bot first began to speak.

    Returns:
        Seconds heard, by turn.
    """
    apart = recording_began
    if apart is None:
        spans = tape.get("bot_spans", ())
        if first_bot_sound is None or not spans:
            return {}
        apart = first_bot_sound - spans[0]["start"]
    answers = [
        (turn["bot_started_at"] + apart, turn["heard_secs"]) for turn in tape.get("turns", ())
    ]
    return _in_order(list(bot_started.items()), answers)


def _in_order(
    traced: Sequence[tuple[int, float]], answers: Sequence[tuple[float, float]]
) -> dict[int, float]:
    heard: dict[int, float] = {}
    at = 0
    for number, began in traced:
        while at + 1 < len(answers) and abs(answers[at + 1][0] - began) <= abs(
            answers[at][0] - began
        ):
            at += 1
        if at < len(answers) and abs(answers[at][0] - began) <= TOLERANCE_SECS:
            heard[number] = answers[at][1]
            at += 1
    return heard
