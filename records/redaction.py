"""Hides what a person said, dialled or is called by."""

import re
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from records.event import Private

HIDDEN = "•••"
_NUMBER = re.compile(r"\+?\d{7,}")

ModelT = TypeVar("ModelT", bound=BaseModel)


def redacted(model: ModelT) -> ModelT:
    """Copy an event or a record without what its ``Private`` fields hold.

    Empty values stay empty, lists and dictionaries keep their shape and keys, numbers keep their
    ends where the mark says so.
    """
    fields = type(model).model_fields
    return model.model_copy(
        update={name: _redact(getattr(model, name), _mark(info)) for name, info in fields.items()}
    )


def mask_numbers(text: str) -> str:
    """Hide the middle of every telephone number in ``text``: ``+1555•••0100``."""
    return _NUMBER.sub(lambda found: f"{found[0][:-7][:5]}{HIDDEN}{found[0][-4:]}", text)


def _mark(info: FieldInfo) -> Private | None:
    marks = [mark for mark in info.metadata if isinstance(mark, Private)]
    if not marks:
        # ``PrivateText | None`` carries its mark one level down.
        parts = getattr(info.annotation, "__args__", ())
        marks = [m for p in parts for m in getattr(p, "__metadata__", ()) if isinstance(m, Private)]
    return marks[0] if marks else None


def _redact(value: Any, mark: Private | None) -> Any:
    match value:
        case BaseModel():
            return redacted(value)
        case dict():
            return {key: _redact(item, mark) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_redact(item, mark) for item in value)
        case None | "":
            return value
        case _ if mark is None:
            return value
        case str() if mark.shows == "rest" or (mark.shows == "ends" and _is_number(value)):
            return mask_numbers(value)
        case _:
            return HIDDEN


def _is_number(value: str) -> bool:
    return HIDDEN in value or _NUMBER.fullmatch(value) is not None
