"""The sentences every bot can say without asking anyone, in the language of the bot."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentences:
    """What is said when no model is asked.

    Parameters:
        apology: Before a call ends because something of ours is broken.
        farewell: Before a call is ended from our side.
        goodbye: In place of a goodbye that the bot forgot.
        say_again: After an answer, or the caller's words, got lost.
        warning: Some time before the call reaches its longest duration.
        still_there: To a caller who says nothing, one after the other.
        nobody_there: To a caller who said nothing after that.
    """

    apology: str
    farewell: str
    goodbye: str
    say_again: str
    warning: str
    still_there: tuple[str, ...]
    nobody_there: str

    def __iter__(self) -> Iterator[str]:
        """All of them, to be kept as audio."""
        yield from (self.apology, self.farewell, self.goodbye, self.say_again, self.warning)
        yield from self.still_there
        yield self.nobody_there


ENGLISH = Sentences(
    apology="I am sorry, something went wrong on our side. Please call again in a few minutes.",
    farewell="I am sorry, I have to end our call here. Goodbye.",
    goodbye="Thank you for calling. Goodbye.",
    say_again="I am sorry, I lost you for a moment. Could you say that again?",
    warning="Our time is nearly up: I will have to end this call soon.",
    still_there=("Are you still there?", "Take your time. Shall I stay on the line?"),
    nobody_there="I cannot hear anybody, so I will hang up now. Please call again. Goodbye.",
)

GERMAN = Sentences(
    apology="Entschuldigung, bei uns ist etwas schiefgegangen. "
    "Bitte rufen Sie in ein paar Minuten noch einmal an.",
    farewell="Es tut mir leid, ich muss unser Gespräch hier beenden. Auf Wiederhören.",
    goodbye="Vielen Dank für Ihren Anruf. Auf Wiederhören.",
    say_again="Entschuldigung, ich habe Sie kurz nicht gehört. Könnten Sie das wiederholen?",
    warning="Unsere Zeit ist fast um: Ich muss das Gespräch bald beenden.",
    still_there=("Sind Sie noch da?", "Lassen Sie sich Zeit. Soll ich am Apparat bleiben?"),
    nobody_there="Ich kann niemanden hören und lege jetzt auf. "
    "Bitte rufen Sie noch einmal an. Auf Wiederhören.",
)

FRENCH = Sentences(
    apology="Veuillez nous excuser, nous avons un problème technique. "
    "Merci de rappeler dans quelques minutes.",
    farewell="Excusez-moi, je dois mettre fin à notre appel. Au revoir.",
    goodbye="Merci de votre appel. Au revoir.",
    say_again="Excusez-moi, je ne vous ai pas entendu. Pourriez-vous répéter ?",
    warning="Notre temps est presque écoulé : je devrai bientôt mettre fin à cet appel.",
    still_there=(
        "Êtes-vous toujours là ?",
        "Prenez votre temps. Voulez-vous que je reste en ligne ?",
    ),
    nobody_there="Je n'entends personne et je vais raccrocher. Merci de rappeler. Au revoir.",
)

SPANISH = Sentences(
    apology="Lo siento, algo ha fallado por nuestra parte. "
    "Por favor, llame de nuevo dentro de unos minutos.",
    farewell="Lo siento, tengo que terminar la llamada aquí. Adiós.",
    goodbye="Gracias por llamar. Adiós.",
    say_again="Perdone, no le he oído. ¿Podría repetirlo?",
    warning="Se nos acaba el tiempo: pronto tendré que terminar esta llamada.",
    still_there=("¿Sigue usted ahí?", "Tómese su tiempo. ¿Quiere que siga en la línea?"),
    nobody_there="No oigo a nadie y voy a colgar. Por favor, llame de nuevo. Adiós.",
)

BY_LANGUAGE = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}


def sentences_for(language: str) -> Sentences:
    """The sentences for a BCP 47 tag; English where there are none of the language."""
    return BY_LANGUAGE.get(language.split("-")[0].lower(), ENGLISH)
