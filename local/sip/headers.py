"""The header fields of a SIP message."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# RFC 3261 §7.3.3 and the registry of compact forms.
COMPACT_NAMES = {
    "b": "Referred-By",
    "c": "Content-Type",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "v": "Via",
    "x": "Session-Expires",
}
LIST_HEADERS = {"via", "route", "record-route", "contact"}


class Headers:
    """Header fields in their order; names compare without case.

    Compact names become long ones. Via, Route, Record-Route and Contact are split at their commas,
    so that each value stands alone.
    """

    def __init__(self, items: Iterable[tuple[str, str]] | Mapping[str, str] = ()):
        self._items: list[tuple[str, str]] = []
        self.extend(items)

    def add(self, name: str, value: str) -> None:
        """Append a field.

        Raises:
            ValueError: If name or value would break the message into other lines.
        """
        if any(c in name or c in value for c in "\r\n\0") or ":" in name:
            raise ValueError(f"header {name!r} holds a line break or a colon in its name")
        name = COMPACT_NAMES.get(name.lower(), name)
        values = split_list(value) if name.lower() in LIST_HEADERS else [value.strip()]
        self._items.extend((name, each) for each in values)

    def get(self, name: str, default: str = "") -> str:
        """The first value."""
        wanted = name.lower()
        return next((value for key, value in self._items if key.lower() == wanted), default)

    def all(self, name: str) -> list[str]:
        """All values, in order."""
        wanted = name.lower()
        return [value for key, value in self._items if key.lower() == wanted]

    def set(self, name: str, value: str) -> None:
        """Replace all values by this one, in the place of the first."""
        wanted = name.lower()
        index = next((i for i, (key, _) in enumerate(self._items) if key.lower() == wanted), None)
        self.remove(name)
        if index is None:
            self.add(name, value)
        else:
            self._items.insert(index, (name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a field on top, where Via belongs."""
        self._items.insert(0, (name, value))

    def remove(self, name: str) -> None:
        """Forget all values of a field."""
        wanted = name.lower()
        self._items = [(key, value) for key, value in self._items if key.lower() != wanted]

    def extend(self, items: Iterable[tuple[str, str]] | Mapping[str, str]) -> None:
        """Append several fields."""
        pairs: Any = items.items() if isinstance(items, Mapping) else items
        for name, value in pairs:
            self.add(name, value)

    def copy(self) -> "Headers":
        """An independent copy."""
        other = Headers()
        other._items = list(self._items)
        return other

    def __contains__(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self._items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


def split_list(value: str) -> list[str]:
    """Split at commas that stand neither in quotes nor in ``<>`` (RFC 3261 §7.3.1)."""
    parts, start, quoted, depth, escaped = [], 0, False, 0, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "<>":
            depth += 1 if char == "<" else -1
        elif char == "," and not quoted and depth <= 0:
            parts.append(value[start:index].strip())
            start = index + 1
    parts.append(value[start:].strip())
    return [part for part in parts if part]
