"""Tools that any flow may name without Python of its own."""

from collections.abc import Callable
from types import ModuleType

from flows import keypad_tools, ready_tools

MODULES: tuple[ModuleType, ...] = (keypad_tools, ready_tools)


def with_ready_tools(code: object) -> list[object]:
    """A flow's own Python with the ready tools behind it; of one name its own function counts.

    Args:
        code: The module beside the flow's YAML; an empty mapping where there is none.
    """
    return [code, *({n: t for n, t in _tools(m).items() if not hasattr(code, n)} for m in MODULES)]


def _tools(module: ModuleType) -> dict[str, Callable[..., object]]:
    """The public functions that a module defines itself."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", "") == module.__name__
        and not name.startswith("_")
    }
