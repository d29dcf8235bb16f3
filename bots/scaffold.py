"""Writes a new bot that works at once: ``switchboard new NAME``."""

import keyword
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from bots.problems import read_yaml
from bots.scaffold_templates import BOT_YAML, FLOW_PY, FLOW_YAML, RULES_YAML, TEST_PY

NUMBERS = [f"+155501{n:02d}" for n in range(100)]
"""Numbers for fiction (555-0100 to 555-0199), of which a new bot gets the first free one."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def new_bot(name: str, root: Path) -> list[Path]:
    """Write a bot, its flow with a tool, the local stand-in's rules, and a test.

    Args:
        name: Lower-case letters, digits and underscores.
        root: Folder that holds ``bots/``, ``flows/`` and ``tests/``.

    Returns:
        The files, in the order in which to read them.

    Raises:
        ValueError: If the name is not allowed, or no number is free.
        FileExistsError: If one of the files is there already; then nothing is written.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(
            f"{name!r} is no name for a bot: use lower-case letters, digits and underscores, "
            "such as front_desk"
        )
    files = _files(name, root)
    # A module of this name beside the bot would be taken for the bot's Python.
    taken = [p for p in (*files, root / "bots" / f"{name}.py") if p.exists()]
    if taken:
        listed = ", ".join(str(path.relative_to(root)) for path in taken)
        raise FileExistsError(f"{listed} exists already: choose another name")
    title = name.replace("_", " ").title()
    values = {"name": name, "title": title, "number": _free_number(root / "bots")}
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(template).substitute(values), encoding="utf-8")
    return list(files)


def _files(name: str, root: Path) -> dict[Path, str]:
    return {
        root / "bots" / f"{name}.yaml": BOT_YAML,
        root / "flows" / f"{name}.yaml": FLOW_YAML,
        root / "flows" / f"{name}.py": FLOW_PY,
        root / "flows" / f"{name}.rules.yaml": RULES_YAML,
        root / "tests" / f"test_{name}.py": TEST_PY,
    }


def _free_number(bots_dir: Path) -> str:
    claimed = set(_claimed_numbers(bots_dir))
    free = next((number for number in NUMBERS if number not in claimed), None)
    if free is None:
        raise ValueError(f"no number from {NUMBERS[0]} to {NUMBERS[-1]} is free")
    return free


def _claimed_numbers(bots_dir: Path) -> Iterator[str]:
    for path in bots_dir.glob("*.yaml"):
        data, _ = read_yaml(path)
        numbers = data.get("numbers")
        yield from map(str, numbers if isinstance(numbers, list) else [])
