"""A plan as text for people, and as JSON for programs."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from server.provision_plan import Change, Plan

SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "delete": ("-", "red")}


def print_plan(console: Console, where: str, plan: Plan) -> None:
    """Every change with its fields, and what stays."""
    console.print(Text(where, style="bold"))
    for change in plan.changes:
        _print_change(console, change)
    for name in plan.stale:
        console.print(Text(f"  ? {name} is not in the file any more; --prune deletes it", "cyan"))
    for name in plan.left_alone:
        console.print(Text(f"  . {name} was not made by this file; left alone", style="dim"))
    for warning in plan.warnings:
        console.print(Text(f"  ! {warning}", style="yellow"))
    for problem in plan.problems:
        console.print(Text(f"  ! {problem}", style="red"))
    console.print(Text(f"  {summary(plan)}"))


def summary(plan: Plan) -> str:
    """How many of each, in one line."""
    counts = {do: sum(change.do == do for change in plan.changes) for do in SIGNS}
    words = [f"{count} to {do}" for do, count in counts.items() if count]
    return ", ".join([*words, f"{plan.unchanged} as they should be"])


def plan_json(where: str, plan: Plan) -> Mapping[str, Any]:
    """The same for programs; secrets are not in it."""
    return {
        "livekit": where,
        "changes": [
            {
                "do": change.do,
                "kind": change.kind,
                "name": change.name,
                "id": change.id,
                "fields": {f.name: {"before": f.before, "after": f.after} for f in change.fields},
            }
            for change in plan.changes
        ],
        "unchanged": plan.unchanged,
        "stale": list(plan.stale),
        "left_alone": list(plan.left_alone),
        "warnings": list(plan.warnings),
        "problems": list(plan.problems),
    }


def _print_change(console: Console, change: Change) -> None:
    sign, style = SIGNS[change.do]
    console.print(Text(f"  {sign} {change.kind} {change.name}", style=style))
    width = max((len(field.name) for field in change.fields), default=0)
    for field in change.fields:
        line = field.after
        if change.do == "update" and field.after != "changed":
            line = f"{field.before or '(none)'} → {field.after or '(none)'}"
        console.print(Text(f"      {field.name:<{width}}  {line}"), soft_wrap=True)
