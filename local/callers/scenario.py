"""What the people of a simulated call do, as strict YAML files."""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from local.callers.steps import STEPS, Chat, Hear, Say, Secs, Step, Strict, Wait

_Number = Annotated[str, Field(pattern=r"^\+?[0-9]{2,15}$")]


class ScenarioError(Exception):
    """A scenario file that cannot be used; the message names file, key and what is allowed."""


class VoiceSpec(Strict):
    """How a person sounds.

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


class Script(Strict):
    """What one person does on a call.

    Parameters:
        name: What it is about.
        voice: How the person sounds.
        max_secs: The person hangs up after so many seconds, wherever the call is.
        never: Phrases that must not be heard on the whole call.
        steps: What happens, in order.
    """

    name: Annotated[str, Field(min_length=1)]
    voice: VoiceSpec = VoiceSpec()
    max_secs: Secs = 120.0
    never: list[str] = Field(default_factory=list)
    steps: list[Step]

    def lines(self) -> list[str]:
        """Everything the person will say, in order."""
        lines: list[str] = []
        for step in self.steps:
            if isinstance(step, Say):
                lines.append(step.say)
            elif isinstance(step, Chat):
                lines += step.chat
        return lines

    @property
    def hears_music(self) -> bool:
        """Whether music is to be told from speech."""
        return any(isinstance(step, Hear) for step in self.steps)


class HumanScript(Script):
    """Someone at a phone that rings.

    Parameters:
        number: The phone, E.164.
        reaction: Takes the call, is busy (486), refuses it (603), or lets it ring.
        ring_secs: How long it rings first.
    """

    number: _Number = "+15550180"
    reaction: Literal["answers", "busy", "refuses", "lets_it_ring"] = "answers"
    ring_secs: Annotated[float, Field(ge=0, le=120)] = 1.0
    steps: list[Step] = Field(default_factory=list)


class Scenario(Script):
    """One simulated call.

    Parameters:
        dial: The number to dial, E.164.
        caller: The number the call comes from, E.164.
        answer_secs: How long the caller lets it ring.
        outcome: Outcome the call's record should show; None if any will do.
        human: Who is at the desk that the call is transferred to; None if nobody special.
    """

    dial: _Number
    caller: _Number = "+15557777"
    answer_secs: Secs = 10.0
    outcome: str | None = None
    human: HumanScript | None = None
    steps: Annotated[list[Step], Field(min_length=1)]


_AnyScript = TypeVar("_AnyScript", bound=Script)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario.

    Args:
        path: A YAML file.

    Raises:
        ScenarioError: All problems of the file at once, one a line.
    """
    return parse_scenario(_read(path), str(path))


def load_human(path: Path) -> HumanScript:
    """Read what someone at a phone does.

    Raises:
        ScenarioError: All problems of the file at once, one a line.
    """
    return parse_human(_read(path), str(path))


def parse_scenario(data: object, where: str = "scenario") -> Scenario:
    """A scenario of what YAML holds.

    Raises:
        ScenarioError: All problems at once, one a line.
    """
    if isinstance(data, dict) and data.get("human") is not None:
        problems: list[str] = []
        try:
            human = parse_human(data["human"], f"{where}: human")
        except ScenarioError as error:
            problems, human = [str(error)], None
        try:
            scenario = parse_scenario(data | {"human": None}, where)
        except ScenarioError as error:
            raise ScenarioError("\n".join([str(error), *problems])) from error
        if problems:
            raise ScenarioError(problems[0])
        return scenario.model_copy(update={"human": human})
    return _parse(Scenario, data, where, steps_needed=True)


def parse_human(data: object, where: str = "human") -> HumanScript:
    """Someone's script of what YAML holds.

    Raises:
        ScenarioError: All problems at once, one a line.
    """
    return _parse(HumanScript, data, where, steps_needed=False)


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: is no YAML: {error}") from error


def _parse(kind: type[_AnyScript], data: object, where: str, *, steps_needed: bool) -> _AnyScript:
    if not isinstance(data, dict):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        raise ScenarioError(f"{where}: must be a mapping with {', '.join(map(repr, needed))}")
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
        script = kind(**rest, steps=steps or ([Wait(wait=1)] if steps_needed else []))
    except ValidationError as error:
        raise ScenarioError(
            "\n".join([f"{where}: {text}" for text in _sentences(error)] + problems)
        ) from error
    if steps_needed and not steps and not problems:
        problems.append(f"{where}: steps: at least one is needed")
    if problems:
        raise ScenarioError("\n".join(problems))
    return script


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
