"""The transfer's state machine: every row by hand, then every sequence of events there is."""

from itertools import product

import pytest

from transports.leg import LegResult
from transports.transfer import BY_LEG, Transfer
from transports.transfer_steps import (
    Announce,
    Announced,
    AskAgain,
    Asked,
    Bridge,
    Brief,
    Broke,
    CalledBack,
    CallerLeft,
    CancelDial,
    Dial,
    Dialled,
    EndCall,
    HangUpHuman,
    Heard,
    HumanLeft,
    Note,
    PlayHold,
    Refer,
    Referred,
    Return,
    TimeUp,
    TransferPlan,
    TransferResult,
    Unbridge,
)

ONE, TWO = "+15550180", "+15550181"
ANSWERED = Dialled(LegResult("answered", 200))
BUSY = Dialled(LegResult("busy", 486, "Busy Here"))


def warm(*numbers: str) -> Transfer:
    return Transfer(TransferPlan("warm", numbers or (ONE,), ring_secs=20))


def cold(*numbers: str) -> Transfer:
    return Transfer(TransferPlan("cold", numbers or (ONE,), ring_secs=20))


def play(transfer: Transfer, *events: object) -> list[object]:
    """The actions of a whole story; each event comes one second after the other."""
    actions = list(transfer.begin(0.0))
    for second, event in enumerate(events, start=1):
        actions += transfer.take(event, float(second))  # type: ignore[arg-type]
    return actions


def test_a_person_who_accepts_talks_to_the_caller():
    transfer = warm()
    actions = play(transfer, Announced(), ANSWERED, Asked(), Heard("accept"), HumanLeft())
    assert actions == [
        Announce(), Dial(ONE), PlayHold(), Brief(), Bridge(), Unbridge(), EndCall()
    ]  # fmt: skip
    assert transfer.result == TransferResult("answered", 200)


def test_a_person_may_accept_before_the_briefing_is_over():
    actions = play(warm(), ANSWERED, Heard("accept"))
    assert actions == [Announce(), Dial(ONE), Brief(), Bridge()]


def test_the_bot_can_be_called_back_out_of_the_talk():
    transfer = warm()
    actions = play(transfer, ANSWERED, Heard("accept"), CalledBack())
    assert actions[-3:] == [Unbridge(), HangUpHuman(), Return()]
    assert transfer.result and transfer.result.called_back


def test_the_numbers_of_a_desk_are_tried_in_order():
    transfer = warm(ONE, TWO)
    actions = play(transfer, Announced(), BUSY, Dialled(LegResult("no_answer", 480)))
    assert actions == [
        Announce(), Dial(ONE), PlayHold(), Note("busy", 486, "Busy Here"), Dial(TWO), Return()
    ]  # fmt: skip
    assert transfer.result == TransferResult("no_answer", 480)


@pytest.mark.parametrize("leg", [name for name in BY_LEG if name != "answered"])
def test_every_end_of_a_dial_gives_the_caller_back(leg):
    transfer = warm()
    assert play(transfer, Dialled(LegResult(leg, 599, "Words")))[-1] == Return()
    assert transfer.result == TransferResult(BY_LEG[leg], 599, "Words")


@pytest.mark.parametrize("heard, outcome", [("decline", "declined"), ("machine", "voicemail")])
def test_a_person_who_declines_and_a_machine_are_hung_up(heard, outcome):
    transfer = warm()
    actions = play(transfer, ANSWERED, Asked(), Heard(heard))
    assert actions[-2:] == [HangUpHuman(), Return()]
    assert transfer.result and transfer.result.outcome == outcome


def test_a_person_who_hangs_up_on_the_briefing_declined():
    transfer = warm()
    assert play(transfer, ANSWERED, HumanLeft())[-1] == Return()
    assert transfer.result == TransferResult("declined")


def test_silence_at_the_other_end_is_asked_once_more_and_then_is_no_answer():
    transfer = warm()
    play(transfer, ANSWERED, Asked())
    assert transfer.deadline == 2.0 + transfer.plan.answer_secs
    assert transfer.take(TimeUp(), 10.0) == [AskAgain()]
    assert transfer.deadline is None
    transfer.take(Asked(), 12.0)
    assert transfer.deadline == 12.0 + transfer.plan.answer_secs
    assert transfer.take(TimeUp(), 20.0) == [HangUpHuman(), Return()]
    assert transfer.result == TransferResult("no_answer")


def test_a_dial_that_never_ends_is_given_up():
    transfer = warm(ONE, TWO)
    play(transfer)
    assert transfer.deadline and transfer.deadline > transfer.plan.ring_secs
    assert transfer.take(TimeUp(), 31.0) == [CancelDial(), Note("no_answer"), Dial(TWO)]


@pytest.mark.parametrize(
    "story, last, outcome",
    [
        ([], CancelDial(), "caller_gone"),
        ([Announced()], CancelDial(), "caller_gone"),
        ([ANSWERED], HangUpHuman(), "caller_gone"),
        ([ANSWERED, Asked()], HangUpHuman(), "caller_gone"),
        ([ANSWERED, Heard("accept")], HangUpHuman(), "answered"),
    ],
)
def test_a_caller_who_hangs_up_ends_the_persons_leg_at_once(story, last, outcome):
    transfer = warm(ONE, TWO)
    assert play(transfer, *story, CallerLeft())[-1] == last
    assert transfer.result and transfer.result.outcome == outcome


def test_a_cold_transfer_waits_for_the_sentence():
    transfer = cold()
    assert play(transfer) == [Announce()]
    assert transfer.take(Announced(), 3.0) == [Refer(ONE)]
    assert transfer.take(Referred(LegResult("answered")), 4.0) == [EndCall()]
    assert transfer.result == TransferResult("answered")


def test_a_refused_refer_tries_the_next_number_and_then_returns():
    refused = Referred(LegResult("declined", 603, "Decline"))
    transfer = cold(ONE, TWO)
    actions = play(transfer, Announced(), refused, refused)
    assert actions == [
        Announce(), Refer(ONE), Note("declined", 603, "Decline"), Refer(TWO), Return()
    ]  # fmt: skip
    assert transfer.result == TransferResult("declined", 603, "Decline")


def test_a_refer_whose_end_is_unknown_rings_nobody_else():
    transfer = cold(ONE, TWO)
    assert play(transfer, Announced(), Referred(LegResult("unknown")))[-1] == Return()
    assert transfer.result == TransferResult("unknown")


@pytest.mark.parametrize(
    "leg, outcome", [("answered", "answered"), ("busy", "caller_gone"), ("unknown", "caller_gone")]
)
def test_a_caller_who_leaves_during_a_refer_may_have_been_sent_on(leg, outcome):
    transfer = cold(ONE, TWO)
    actions = play(transfer, Announced(), CallerLeft())
    assert transfer.phase == "referring" and transfer.deadline == 5.0
    actions = transfer.take(Referred(LegResult(leg)), 2.5)
    assert Return() not in actions and Refer(TWO) not in actions
    assert transfer.result and transfer.result.outcome == outcome


EVENTS = [
    Announced(),
    ANSWERED,
    BUSY,
    Asked(),
    Heard("accept"),
    Heard("decline"),
    HumanLeft(),
    CallerLeft(),
    CalledBack(),
    Referred(LegResult("answered")),
    Referred(LegResult("failed", 503)),
    Broke("the desk's room closed"),
    TimeUp(),
]


@pytest.mark.parametrize("mode", ["warm", "cold"])
@pytest.mark.parametrize("numbers", [(ONE,), (ONE, TWO)])
def test_no_sequence_of_events_leaves_a_leg_or_a_caller_behind(mode, numbers):
    for story in product(EVENTS, repeat=4):
        transfer = Transfer(TransferPlan(mode, numbers))
        ringing = answered = bridged = returned = caller_gone = False
        actions = list(transfer.begin(0.0))
        for second, event in enumerate((None, *story)):
            if event is not None:
                caller_gone |= event == CallerLeft()
                if event in (BUSY, ANSWERED) and ringing:
                    answered, ringing = event == ANSWERED, False
                elif event == HumanLeft():
                    answered = False
                actions = transfer.take(event, float(second))
            for action in actions:
                match action:
                    case Dial():
                        assert not ringing and not answered and not caller_gone
                        ringing = True
                    case CancelDial():
                        ringing = False
                    case HangUpHuman():
                        answered = False
                    case Bridge():
                        assert answered and not bridged and not caller_gone
                        bridged = True
                    case Unbridge():
                        assert bridged
                        bridged = False
                    case Brief():
                        assert answered
                    case Return() | EndCall():
                        assert not returned and not bridged
                        returned = True
            if transfer.phase == "over":
                assert transfer.result is not None and transfer.deadline is None
                assert not ringing and not answered and not bridged
                assert returned or caller_gone
