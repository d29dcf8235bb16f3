"""Shows figures as a table, and keeps them as JSON."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.bench.figures import Figure


def print_table(figures: Sequence[Figure]) -> None:
    """Print every figure with its target; never judges by an exit code."""
    table = Table(title="Real SIP calls over G.711, everything on this machine")
    table.add_column("figure")
    for column in ("value", "p95", "n", "target"):
        table.add_column(column, justify="right")
    table.add_column("")
    for figure in figures:
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        label = figure.name + (f"\n[dim]{figure.note}[/]" if figure.note else "")
        several = len(figure.samples) > 1
        table.add_row(
            label,
            _text(figure.value, figure.unit),
            _text(figure.p95, figure.unit) if several else "",
            str(len(figure.samples)) if several else "",
            f"≤ {_text(figure.target, figure.unit)}" if figure.target is not None else "",
            verdict,
        )
    Console().print(table)


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures, every sample and the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "load": load}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = {"at": at, **machine, "figures": [figure.as_dict() for figure in figures]}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return "—"
    digits = {"ms": 0, "packets": 0, "": 0, "MB": 1, "%": 1}.get(unit, 2)
    return f"{value:.{digits}f}" + (f" {unit}" if unit != "×" else " ×")
