"""What a recording of a call shows, in seconds from its first sample."""

from pydantic import BaseModel, ConfigDict

from records.percentiles import Percentiles


class Span(BaseModel):
    """From a first to a last audible sample, or the silence between two."""

    model_config = ConfigDict(frozen=True)

    start: float
    end: float


class TapeTurn(BaseModel):
    """The caller fell silent and the bot answered.

    Parameters:
        caller_ended_at: The caller's last audible sample.
        bot_started_at: The bot's first audible sample.
        heard_secs: What lies between: what the caller waited.
    """

    model_config = ConfigDict(frozen=True)

    caller_ended_at: float
    bot_started_at: float
    heard_secs: float


class Interruption(BaseModel):
    """The caller began while the bot spoke, and the bot fell silent.

    Parameters:
        caller_started_at: The caller's first audible sample.
        bot_silent_at: The bot's last one.
        secs: What lies between.
    """

    model_config = ConfigDict(frozen=True)

    caller_started_at: float
    bot_silent_at: float
    secs: float


class TapeReport(BaseModel):
    """Everything measured on one stereo recording.

    Parameters:
        rate_hz: Samples a second.
        duration_secs: Length of the recording.
        caller_spans: When the caller spoke.
        bot_spans: When the bot spoke.
        turns: Answers, in order.
        interruptions: Where the bot gave way, in order.
        talked_over: What the caller said while the bot talked on, as an "uh huh".
        dead_air: Where both were silent too long, also before the first word and after the last.
        overlap_secs: How long both spoke at once.
        heard: Of the turns' ``heard_secs``; None without a turn.
        fell_silent: Of the interruptions' ``secs``; None without one.
        caller_noise_dbfs: Steady noise on the caller's side, None where there is none to mind.
        bot_noise_dbfs: The same on the bot's side.
    """

    model_config = ConfigDict(frozen=True)

    rate_hz: int
    duration_secs: float
    caller_spans: list[Span]
    bot_spans: list[Span]
    turns: list[TapeTurn]
    interruptions: list[Interruption]
    talked_over: list[Span]
    dead_air: list[Span]
    overlap_secs: float
    heard: Percentiles | None
    fell_silent: Percentiles | None
    caller_noise_dbfs: float | None
    bot_noise_dbfs: float | None
