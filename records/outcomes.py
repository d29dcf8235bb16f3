"""How a call can end: one reason of one list, whoever caused it."""

from typing import Literal, get_args

Outcome = Literal[
    "completed",
    "caller_hung_up",
    "transferred",
    "message_taken",
    "callback_booked",
    "voicemail",
    "no_answer",
    "busy",
    "rejected",
    "invalid_number",
    "trunk_failure",
    "max_duration",
    "idle",
    "provider_failure",
    "worker_lost",
    "cancelled",
]

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
