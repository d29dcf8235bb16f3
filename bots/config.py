"""The keys of ``bots/NAME.yaml``; a key is accepted once the feature behind it works."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from processors.two_step_start_strategy import BACKCHANNELS

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Spec = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+/[A-Za-z0-9._:/-]+$")]
Word = Annotated[str, StringConstraints(to_lower=True)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _a_key(value: Any) -> Any:
    return str(value) if type(value) is int else value  # YAML takes an unquoted 1 for a number


Key = Annotated[
    Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"], BeforeValidator(_a_key)
]


class _Keys(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tts(_Keys):
    """The voice.

    Parameters:
        use: ``provider/model``.
        voice: The provider's name or id of the voice; None takes the provider's default.
    """

    use: Spec
    voice: str | None = None


class Turns(_Keys):
    """When the caller's turn is over.

    Parameters:
        profile: ``chat``: Smart Turn at 0.2 s of silence, asked again at 0.5, 0.8 and 1.2 s.
    """

    profile: Literal["chat"] = "chat"


class Interruptions(_Keys):
    """What happens when the caller speaks over the bot.

    Parameters:
        mode: ``two_step`` falls silent at the first sound and decides afterwards; ``vad`` ends the
            bot's turn as soon as the VAD is sure of speech.
        blip_ms: Playback goes on after this long when the sound was no speech.
        sustain_ms: Speech of this length interrupts without a transcript.
        backchannels: Words that never interrupt.
    """

    mode: Literal["two_step", "vad"] = "two_step"
    blip_ms: Annotated[int, Field(ge=100, le=2000)] = 300
    sustain_ms: Annotated[int, Field(ge=200, le=5000)] = 700
    backchannels: tuple[Annotated[str, StringConstraints(to_lower=True)], ...] = tuple(
        sorted(BACKCHANNELS)
    )


class Idle(_Keys):
    """What happens to a caller who says nothing.

    Parameters:
        after_secs: Silence of this length is answered; 0 never does.
        reprompts: Said one after the other, each after as much silence again; then a goodbye. None
            takes the two of the bot's language.
    """

    after_secs: Annotated[float, Field(ge=0, le=600)] = 8.0
    reprompts: tuple[str, ...] | None = None


class Escalation(_Keys):
    """When and to whom the bot hands a caller over.

    Parameters:
        to: Desk of ``desks.yaml``, or several: the first that is open is called.
        on: ``asks_for_human`` gives the flow the tool ``transfer_to_human`` at every node;
            ``key_0`` lets the caller press 0 at any moment.
    """

    to: Annotated[tuple[Name, ...], BeforeValidator(_listed), Field(min_length=1)]
    on: tuple[Literal["asks_for_human", "key_0"], ...] = ("asks_for_human", "key_0")


class KeyMeaning(_Keys):
    """What a key of the phone does, at any moment; one of these.

    Parameters:
        say: A sentence, kept as audio.
        ask: The bot answers as if the caller had said this.
        transfer: Desk of ``desks.yaml`` to which the caller is handed over.
    """

    say: str = ""
    ask: str = ""
    transfer: Name | None = None

    @model_validator(mode="after")
    def _means_one_thing(self) -> "KeyMeaning":
        if sum(map(bool, (self.say, self.ask, self.transfer))) != 1:
            raise ValueError("one of say, ask and transfer is needed, and not more")
        return self


class Voicemail(_Keys):
    """What to do when a machine answers a call that the bot places.

    Parameters:
        policy: ``leave_message`` after the beep, ``hang_up``, or ``retry``: hang up, and say in the
            record when to try again.
        message: What is left; ``{{ name }}`` as in the greeting.
    """

    policy: Literal["leave_message", "hang_up", "retry"]
    message: str = ""

    @model_validator(mode="after")
    def _has_what_it_leaves(self) -> "Voicemail":
        if (self.policy == "leave_message") != bool(self.message.strip()):
            raise ValueError("message goes with the policy leave_message, and only with it")
        return self


class Ambience(_Keys):
    """Sound behind the bot's voice.

    Parameters:
        file: One channel at 24 kHz; its path is taken from the bot's YAML.
        volume: Factor of its samples.
    """

    file: Annotated[str, StringConstraints(min_length=1)]
    volume: Annotated[float, Field(gt=0, le=1)] = 0.1


class Limits(_Keys):
    """Where a call ends by itself.

    Parameters:
        max_call_secs: Length of a call from its answer; then a sentence and ``max_duration``.
        warn_secs: A warning is spoken this long before; 0 for none. A shorter call has none.
    """

    max_call_secs: Annotated[int, Field(ge=10, le=14400)] = 900
    warn_secs: Annotated[int, Field(ge=0, le=3600)] = 60

    @model_validator(mode="after")
    def _warns_within_the_call(self) -> "Limits":
        if "warn_secs" in self.model_fields_set and self.warn_secs >= self.max_call_secs:
            raise ValueError(
                f"warn_secs {self.warn_secs} is not less than max_call_secs {self.max_call_secs}"
            )
        return self


class Recording(_Keys):
    """The stereo recording: caller left, bot right.

    Parameters:
        keep: Whether calls are recorded.
    """

    keep: bool = True


class BotConfig(_Keys):
    """One bot.

    Parameters:
        name: The file's name without ``.yaml``.
        numbers: Called numbers (E.164) that reach this bot; one number, one bot.
        language: BCP 47 tag for STT and TTS.
        stt: ``provider/model`` that hears; None in a bot without words.
        llm: ``provider/model`` that answers.
        tts: ``provider/model`` that speaks, or ``{use, voice}``.
        greeting: First sentence, kept as audio since the bot was loaded.
        flow: Name of ``flows/NAME.yaml``.
        prompt: Markdown file beside the bot, for a bot without a flow.
        variables: What ``{{ name }}`` may stand for, with defaults; None: each call must bring it.
        turns: When the caller's turn is over.
        interruptions: What speaking over the bot does.
        ambience: Sound behind the bot's voice; None is silence.
        idle: What happens to a caller who says nothing.
        voicemail: What to do when a machine answers a call that the bot places; None takes whoever
            answers for a person.
        escalation: When and to whom the bot hands a caller over; None: never by itself.
        keys: What single keys of the caller's phone do.
        limits: Where a call ends by itself.
        recording: Whether calls are recorded.
        web: Whether it may be called from a browser, by the page ``/call/NAME``.
    """

    name: Name
    numbers: tuple[E164, ...] = ()
    language: str = "en-US"
    stt: Spec | None = None
    llm: Spec | None = None
    tts: Tts | None = None
    greeting: str = ""
    flow: Name | None = None
    prompt: str | None = None
    variables: dict[Name, str | None] = Field(default_factory=dict)
    turns: Turns = Turns()
    interruptions: Interruptions = Interruptions()
    ambience: Ambience | None = None
    idle: Idle = Idle()
    voicemail: Voicemail | None = None
    escalation: Escalation | None = None
    keys: dict[Key, KeyMeaning] = Field(default_factory=dict)
    limits: Limits = Limits()
    recording: Recording = Recording()
    web: bool = False

    @model_validator(mode="before")
    @classmethod
    def _tts_in_one_word(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("tts"), str):
            return {**data, "tts": {"use": data["tts"]}}
        return data
