"""Says what is wrong with a YAML file so that its author can mend it."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from services.problem import Problem

_BOOL = "tag:yaml.org,2002:bool"


class StrictLoader(yaml.SafeLoader):
    """YAML without a key given twice, and with only ``true`` and ``false`` for truth.

    ``on``, ``off``, ``yes`` and ``no`` are words, as in YAML 1.2.
    """

    yaml_implicit_resolvers = {
        first: [(tag, r) for tag, r in found if tag != _BOOL or first in "tTfF"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a second value for a key, which YAML itself would let win."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key '{key}' is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> tuple[Mapping[str, Any], list[Problem]]:
    """Read a mapping from a YAML file; problems instead of exceptions."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}" if mark else ""
        return {}, [Problem(str(path), line, error.problem or "is not YAML", "mend this line")]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return {}, [Problem(str(path), "", f"cannot be read: {error}", "mend or remove the file")]
    if not isinstance(data, dict):
        message = "is no mapping of keys to values"
        return {}, [Problem(str(path), "", message, "start with `name: …`")]
    return data, []


def validation_problems(
    path: Path, model: type[BaseModel], error: ValidationError
) -> list[Problem]:
    """One ``Problem`` for each of Pydantic's errors, with the allowed values."""
    return [_problem(path, model, details) for details in error.errors()]


def _problem(path: Path, model: type[BaseModel], details: Mapping[str, Any]) -> Problem:
    loc = [str(part) for part in details["loc"]]
    key, value = ".".join(loc), details.get("input")
    if details["type"] == "extra_forbidden":
        allowed = sorted(_model_at(model, loc[:-1]).model_fields)
        close = get_close_matches(loc[-1], allowed, n=1, cutoff=0.6)
        remedy = f"did you mean '{close[0]}'?" if close else "remove it"
        message = f"'{loc[-1]}' is not one of {', '.join(allowed)}"
        return Problem(str(path), key, message, remedy)
    if details["type"] == "missing":
        return Problem(str(path), key, "is missing", f"add `{key}: …`")
    if details["type"] == "string_pattern_mismatch":
        return Problem(str(path), key, f"{value!r} is not {_shape(key)}", "write it in this form")
    if details["type"] == "literal_error":
        message = f"{value!r} is not one of {details['ctx']['expected']}"
        return Problem(str(path), key, message, "use an allowed value")
    return Problem(str(path), key, f"{value!r}: {details['msg']}", "use an allowed value")


def _shape(key: str) -> str:
    if key.startswith("numbers"):
        return "an E.164 number such as '+15550100'"
    if key.split(".")[0] in {"stt", "llm", "tts"}:
        return "provider/model, such as deepgram/nova-3-general"
    return "a name of lower-case letters, digits and underscores"


def _model_at(model: type[BaseModel], loc: list[str]) -> type[BaseModel]:
    for part in loc:
        field = model.model_fields.get(part)
        model = next(_models_in(field.annotation), model) if field else model
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind
