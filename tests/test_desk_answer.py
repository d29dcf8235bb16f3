"""Yes, no, or a machine: what people and voicemails say when a bot calls them."""

import pytest

from bots.desk_answer import verdict_of

ACCEPT = [
    "Yes.",
    "Yes, put him through.",
    "Sure, go ahead!",
    "Okay, I'll take it.",
    "Of course",
    "One.",
    "Ja, gerne.",
    "Klar, verbinden Sie.",
]
DECLINE = [
    "No.",
    "Not right now, sorry.",
    "I can’t, I'm busy.",
    "Yes, but not now.",
    "Two.",
    "Nein, später.",
    "Ja, aber nicht jetzt.",
]
MACHINE = [
    "You have reached the voicemail of Bob Miller.",
    "Please leave a message after the tone.",
    "We cannot come to the phone right now.",
    "The mailbox is full.",
    "Hinterlassen Sie eine Nachricht nach dem Signalton.",
]
NOTHING = [
    "",
    "Front desk, this is Bob speaking.",
    "Hello?",
    "What did you say?",
    "Well you know yesterday somebody called and said yes to everything that we had offered him",
]


@pytest.mark.parametrize(
    "verdict, said",
    [
        *(("accept", said) for said in ACCEPT),
        *(("decline", said) for said in DECLINE),
        *(("machine", said) for said in MACHINE),
        *((None, said) for said in NOTHING),
    ],
)
def test_what_is_said_is_understood(verdict: str | None, said: str):
    assert verdict_of(said) == verdict
