"""Arguments that fit a tool's declaration, and results that fit an outcome."""

import re
from collections.abc import Mapping
from typing import Any

from local.providers.rules import OutcomeRule, ToolRule
from local.providers.templates import written


def arguments_for(rule: ToolRule, values: Mapping[str, Any], names: set[str]) -> dict[str, str]:
    """The arguments of a call, written; without those the caller has not told.

    Args:
        rule: How the tool is called.
        values: Slots by name.
        names: Parameters to fill by the slot of the same name.
    """
    templates = {name: f"{{{name}}}" for name in names if name in values} | rule.arguments
    filled = {name: written(template, values) for name, template in templates.items()}
    default = {name: written(template, values) for name, template in rule.otherwise.items()}
    return default | {name: value for name, value in filled.items() if value}


def fitted(arguments: Mapping[str, str], function: Mapping[str, Any]) -> dict[str, Any]:
    """Only the arguments the tool declares, with the types it declares."""
    declared = (function.get("parameters") or {}).get("properties") or {}
    return {
        name: _typed(value, declared[name]) for name, value in arguments.items() if name in declared
    }


def offered_tools(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The functions of a request, by name."""
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    return {str(f.get("name")): f for f in functions if isinstance(f, dict)}


def outcome_of(rule: ToolRule, result: Mapping[str, Any]) -> OutcomeRule | None:
    """The first outcome that fits a result."""
    return next((outcome for outcome in rule.outcomes if _fits(outcome, result)), None)


def _fits(outcome: OutcomeRule, result: Mapping[str, Any]) -> bool:
    for name, wanted in outcome.when.items():
        value = result.get(name)
        if wanted == "some" or wanted == "none":
            if bool(value) != (wanted == "some"):
                return False
        elif isinstance(wanted, str) and re.fullmatch(r"/.+/", wanted):
            if not re.search(wanted[1:-1], str(value), re.I):
                return False
        elif value != wanted:
            return False
    return True


def _typed(value: str, schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        return value
    return value.lower() in ("true", "yes", "1") if kind == "boolean" else value
