"""What is said around a transfer, to the caller and to the person who may take them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bots.desks import Desk


@dataclass(frozen=True)
class CallerWords:
    """To the caller.

    Parameters:
        announce: Before it rings at the desk; ``{desk}`` is its title.
        waiting: Every twenty seconds of hold music.
        excuses: By outcome, why nobody came.
        closed: When the desk is closed and says nothing of its own.
        offers: What the bot can do instead, by tool: ``take_message``, ``schedule_callback``,
            ``both``, ``neither``.
        other_desk: Beside an offer, when another desk is open; ``{desk}`` is its title.
        back: When the bot was called back.
    """

    announce: str
    waiting: str
    excuses: Mapping[str, str]
    closed: str
    offers: Mapping[str, str]
    other_desk: str
    back: str

    def failed(self, outcome: str, offer: str, other: Desk | None) -> str:
        """An honest sentence, and what else there is."""
        excuse = self.excuses.get(outcome) or self.excuses["failed"]
        desk = self.other_desk.format(desk=other.title) if other else ""
        return " ".join(filter(None, (excuse, desk, self.offers[offer])))


@dataclass(frozen=True)
class DeskWords:
    """To the person at the desk.

    Parameters:
        intro: Who speaks; ``{desk}``, ``{bot}``.
        number: ``{number}``, digit by digit.
        hidden: When the caller's number is hidden.
        browser: When the caller has none, for they call from a browser.
        reason: ``{reason}``.
        said: ``{words}`` of the caller, when no model wrote a summary.
        tried: ``{tools}``, likewise.
        question: How to take or decline the call.
        again: The question once more.
        summarise: The model's instruction for the summary.
    """

    intro: str
    number: str
    hidden: str
    browser: str
    reason: str
    said: str
    tried: str
    question: str
    again: str
    summarise: str


ENGLISH_CALLER = CallerWords(
    announce="One moment, please. I am calling {desk} for you.",
    waiting="Thank you for waiting. I am still trying to reach somebody for you.",
    excuses={
        "busy": "I am sorry, the line is busy right now.",
        "no_answer": "I am sorry, nobody is answering right now.",
        "voicemail": "I am sorry, nobody is answering right now.",
        "declined": "I am sorry, nobody can take your call right now.",
        "unknown": "I am sorry, I cannot tell whether the transfer worked.",
        "failed": "I am sorry, I cannot connect you right now.",
    },
    closed="I am sorry, nobody is there to take your call at this hour.",
    offers={
        "both": "I can take a message, or have somebody call you back. What would you like?",
        "take_message": "Would you like to leave a message?",
        "schedule_callback": "Shall somebody call you back?",
        "neither": "Is there anything else that I can do for you?",
    },
    other_desk="I can also try {desk}.",
    back="I am back. What can I do for you?",
)
GERMAN_CALLER = CallerWords(
    announce="Einen Moment, bitte. Ich verbinde Sie mit {desk}.",
    waiting="Danke für Ihre Geduld. Ich versuche weiter, jemanden zu erreichen.",
    excuses={
        "busy": "Es tut mir leid, dort ist gerade besetzt.",
        "no_answer": "Es tut mir leid, dort meldet sich gerade niemand.",
        "voicemail": "Es tut mir leid, dort meldet sich gerade niemand.",
        "declined": "Es tut mir leid, gerade kann niemand Ihren Anruf annehmen.",
        "unknown": "Es tut mir leid, ich weiß nicht, ob die Weiterleitung geklappt hat.",
        "failed": "Es tut mir leid, ich kann Sie gerade nicht verbinden.",
    },
    closed="Es tut mir leid, um diese Zeit ist dort niemand zu erreichen.",
    offers={
        "both": "Ich kann eine Nachricht aufnehmen oder Sie zurückrufen lassen. Was möchten Sie?",
        "take_message": "Möchten Sie eine Nachricht hinterlassen?",
        "schedule_callback": "Soll Sie jemand zurückrufen?",
        "neither": "Kann ich sonst noch etwas für Sie tun?",
    },
    other_desk="Ich kann es auch bei {desk} versuchen.",
    back="Ich bin wieder da. Was kann ich für Sie tun?",
)

ENGLISH_DESK = DeskWords(
    intro="Hello, this is the automated {bot} with a caller for {desk}.",
    number="They call from {number}.",
    hidden="Their number is hidden.",
    browser="They call from the web page.",
    reason="They want this: {reason}",
    said="Last they said: {words}",
    tried="So far I tried: {tools}.",
    question="To take the call, press one or say yes. To decline, press two or say no.",
    again="Are you there? Press one or say yes to take the call, press two or say no to decline.",
    summarise="You summarise a telephone call for the colleague who is about to take it over. "
    "Say in at most two short spoken sentences, in English, what the caller wants and what was "
    "tried already. No greeting, no names of tools, no symbols.",
)
GERMAN_DESK = DeskWords(
    intro="Guten Tag, hier ist der Sprachassistent {bot} mit einem Anruf für {desk}.",
    number="Der Anruf kommt von {number}.",
    hidden="Die Nummer ist unterdrückt.",
    browser="Der Anruf kommt von der Webseite.",
    reason="Es geht darum: {reason}",
    said="Zuletzt hieß es: {words}",
    tried="Bisher versucht: {tools}.",
    question="Um anzunehmen, drücken Sie die Eins oder sagen Sie ja. "
    "Um abzulehnen, drücken Sie die Zwei oder sagen Sie nein.",
    again="Sind Sie da? Drücken Sie die Eins oder sagen Sie ja, um anzunehmen, "
    "die Zwei oder nein, um abzulehnen.",
    summarise="You summarise a telephone call for the colleague who is about to take it over. "
    "Say in at most two short spoken sentences, in German, what the caller wants and what was "
    "tried already. No greeting, no names of tools, no symbols.",
)


def caller_words(language: str) -> CallerWords:
    """For a BCP 47 tag; English where there are none of the language."""
    return GERMAN_CALLER if language.lower().startswith("de") else ENGLISH_CALLER


def desk_words(language: str) -> DeskWords:
    """For a BCP 47 tag; English where there are none of the language."""
    return GERMAN_DESK if language.lower().startswith("de") else ENGLISH_DESK


def intro_of(bot: str, desk: Desk, words: DeskWords) -> str:
    """Who speaks to the person, and for whom."""
    return words.intro.format(bot=bot.replace("_", " "), desk=desk.title)


def offer_of(tools: Collection[str]) -> str:
    """The key of ``CallerWords.offers`` for what a bot can do."""
    can = [name for name in ("take_message", "schedule_callback") if name in tools]
    return "both" if len(can) == 2 else (can[0] if can else "neither")


def kept_phrases(bot: str, language: str, desks: Sequence[Desk]) -> Iterator[str]:
    """What a bot that may transfer says word for word, to be kept as audio."""
    words = caller_words(language)
    for desk in desks:
        yield words.announce.format(desk=desk.title)
        if desk.after_hours:
            yield desk.after_hours.say
        if desk.language in (None, language):
            told = desk_words(language)
            yield from (intro_of(bot, desk, told), told.question, told.again)
    yield words.waiting
    yield words.back
