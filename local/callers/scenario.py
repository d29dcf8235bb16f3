"""What a simulated caller does on a call, as a strict YAML file."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Secs = Annotated[float, Field(gt=0, le=300)]


class ScenarioError(Exception):
    """A scenario file that cannot be used; the message names file, key and what is allowed."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VoiceSpec(_Strict):
    """How the caller sounds.

    Parameters:
        engine: ``auto`` takes flite where it is installed, else Piper.
        flite_voice: A voice of flite.
        shift: Piper only: how far pitch and formants move up; 1.0 is the bot's own voice.
        words_per_minute: Speed of speech.
        level_dbfs: Peak level on the line.
    """

    engine: Literal["auto", "flite", "piper"] = "auto"
    flite_voice: Literal["slt", "rms", "awb", "kal"] = "slt"
    shift: Annotated[float, Field(ge=0.7, le=1.5)] = 1.25
    words_per_minute: Annotated[int, Field(ge=80, le=260)] = 175
    level_dbfs: Annotated[float, Field(ge=-40, le=0)] = -6.0


class Say(_Strict):
    """Speaks; by default once the bot has answered and then been quiet for a while.

    Parameters:
        say: The words.
        quiet_secs: How long the bot must have been silent.
        over_bot_after: Speaks over the bot, this long after its first sound.
        at_once: Speaks now, whoever else does.
        within_secs: How long to wait for the bot's answer (or its first sound).
    """

    say: Annotated[str, Field(min_length=1)]
    quiet_secs: Secs = 0.7
    over_bot_after: Annotated[float, Field(ge=0, le=30)] | None = None
    at_once: bool = False
    within_secs: Secs = 10.0

    @model_validator(mode="after")
    def _one_way_to_begin(self) -> "Say":
        if self.at_once and self.over_bot_after is not None:
            raise ValueError("'at_once' and 'over_bot_after' exclude each other")
        return self


class Expect(_Strict):
    """Waits until the bot has said each phrase since the caller last spoke or pressed keys.

    Parameters:
        expect: Phrases; each may offer alternatives separated by `` | ``.
        within_secs: Limit, counted from the start of this step; a bot that speaks is heard out.
    """

    expect: Annotated[list[str], Field(min_length=1)]
    within_secs: Secs = 12.0


class Keys(_Strict):
    """Presses keys (RFC 4733), in the middle of whatever the bot says."""

    keys: Annotated[str, Field(pattern=r"^[0-9*#A-D]+$")]


class Wait(_Strict):
    """Says nothing for so many seconds."""

    wait: Secs


class HangUp(_Strict):
    """Hangs up now; with ``after_quiet_secs`` once the bot has finished speaking."""

    hang_up: Literal[True]
    after_quiet_secs: Annotated[float, Field(ge=0, le=30)] = 0.0


class BotHangsUp(_Strict):
    """Waits for the bot to end the call."""

    bot_hangs_up: Literal[True]
    within_secs: Secs = 15.0


Step = Say | Expect | Keys | Wait | HangUp | BotHangsUp
STEPS: dict[str, type[Step]] = {
    "say": Say,
    "expect": Expect,
    "keys": Keys,
    "wait": Wait,
    "hang_up": HangUp,
    "bot_hangs_up": BotHangsUp,
}


class Scenario(_Strict):
    """One simulated call.

    Parameters:
        name: What the call is about.
        dial: The number to dial, E.164.
        caller: The number the call comes from, E.164.
        voice: How the caller sounds.
        answer_secs: How long the caller lets it ring.
        max_secs: The caller hangs up after so many seconds, wherever the call is.
        outcome: Outcome the call's record should show; None if any will do.
        steps: What happens, in order.
    """

    name: Annotated[str, Field(min_length=1)]
    dial: Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")]
    caller: Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")] = "+15557777"
    voice: VoiceSpec = VoiceSpec()
    answer_secs: Secs = 10.0
    max_secs: Secs = 120.0
    outcome: str | None = None
    steps: Annotated[list[Step], Field(min_length=1)]

    def lines(self) -> list[str]:
        """Everything the caller will say, in order."""
        return [step.say for step in self.steps if isinstance(step, Say)]


def load_scenario(path: Path) -> Scenario:
    """Read a scenario.

    Args:
        path: A YAML file.

    Raises:
        ScenarioError: All problems of the file at once, one a line.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: is no YAML: {error}") from error
    return parse_scenario(data, str(path))


def parse_scenario(data: object, where: str = "scenario") -> Scenario:
    """A scenario of what YAML holds.

    Raises:
        ScenarioError: All problems at once, one a line.
    """
    if not isinstance(data, dict):
        raise ScenarioError(f"{where}: must be a mapping with 'name', 'dial' and 'steps'")
    problems: list[str] = []
    steps: list[Step] = []
    for number, raw in enumerate(data.get("steps") or [], start=1):
        try:
            steps.append(_step(raw))
        except ValidationError as error:
            problems += [f"{where}: step {number}: {text}" for text in _sentences(error)]
        except ScenarioError as error:
            problems.append(f"{where}: step {number}: {error}")
    rest = {key: value for key, value in data.items() if key != "steps"}
    try:
        scenario = Scenario(**rest, steps=steps or [Wait(wait=1)])
    except ValidationError as error:
        raise ScenarioError(
            "\n".join([f"{where}: {text}" for text in _sentences(error)] + problems)
        ) from error
    if not steps and not problems:
        problems.append(f"{where}: steps: at least one is needed")
    if problems:
        raise ScenarioError("\n".join(problems))
    return scenario


def _step(raw: object) -> Step:
    kinds = [key for key in raw if key in STEPS] if isinstance(raw, dict) else []
    if len(kinds) != 1:
        raise ScenarioError(f"{raw!r} needs exactly one of {', '.join(STEPS)}")
    return STEPS[kinds[0]].model_validate(raw)


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'value'}: {problem['msg']}"
        + ("" if problem["type"] == "extra_forbidden" else f", not {problem['input']!r}")
        for problem in error.errors()
    ]
