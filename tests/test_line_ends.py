"""Every way in which LiveKit, SIP or our own line ends a call is one outcome of the list."""

import typing

import pytest
from livekit import rtc

from bots.line_ends import ending_of_error, ending_of_leg, ending_of_line
from records.outcomes import OUTCOMES
from transports.leg import LegOutcome
from transports.line_error import LineError


@pytest.mark.parametrize("who", ["caller", "room"])
def test_every_reason_of_livekit_has_an_outcome(who):
    for name in rtc.DisconnectReason.keys():  # noqa: SIM118
        assert ending_of_line(f"{who}:{name}").outcome in OUTCOMES


@pytest.mark.parametrize(
    "reason, outcome",
    [
        ("caller:CLIENT_INITIATED", "caller_hung_up"),
        ("caller:SIGNAL_CLOSE", "caller_hung_up"),
        ("caller:USER_UNAVAILABLE", "no_answer"),
        ("caller:USER_REJECTED", "rejected"),
        ("caller:SIP_TRUNK_FAILURE", "trunk_failure"),
        ("caller:MEDIA_FAILURE", "trunk_failure"),
        ("caller:PARTICIPANT_REMOVED", "cancelled"),
        ("room:ROOM_DELETED", "cancelled"),
        ("room:SERVER_SHUTDOWN", "worker_lost"),
        ("device:LOST", "worker_lost"),
    ],
)
def test_reason_of_the_line_is_kept_beside_its_outcome(reason, outcome):
    ending = ending_of_line(reason)
    assert (ending.outcome, ending.reason) == (outcome, reason)


@pytest.mark.parametrize(
    "code, outcome", [("caller_left", "caller_hung_up"), ("cannot_connect", "trunk_failure")]
)
def test_line_that_never_opened_says_why(code, outcome):
    ending = ending_of_error(LineError(code, "no"))
    assert (ending.outcome, ending.reason) == (outcome, f"line:{code}")


def test_phone_that_does_not_answer_has_an_outcome_whatever_came_of_it():
    for outcome in typing.get_args(LegOutcome):
        if outcome != "answered":
            assert ending_of_leg(outcome, None).outcome in OUTCOMES
    assert ending_of_leg("busy", 486, "Busy Here").reason == "sip:486 Busy Here"
    assert ending_of_leg("no_answer", None).reason == "leg:no_answer"
