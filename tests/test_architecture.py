"""The house keeps its shape: imports point left, files stay short, one reads the environment."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ["records", "services", "transports", "processors", "flows", "bots", "server"]
MAY_IMPORT = {layer: set(LAYERS[: i + 1]) for i, layer in enumerate(LAYERS)} | {
    "local": {"local", "records"},
}
# What a folder of the outside world may use of its neighbours.
MAY_IMPORT_LOCAL = {"sip": {"sip"}, "exchange": {"exchange", "sip"}, "providers": {"providers"}}
READS_ENVIRONMENT = {"server/settings.py"}
FORBIDDEN_NAMES = {"core", "common", "utils", "helpers", "util", "helper"}
FILES = [
    path
    for folder in MAY_IMPORT
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in path.parts
]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}:{node.lineno}: relative import"
            found.append((node.lineno, node.module or ""))
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_point_left(path: Path):
    folder = path.relative_to(ROOT).parts[0]
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for line, module in _imports(path)
        if module.split(".")[0] in MAY_IMPORT and module.split(".")[0] not in MAY_IMPORT[folder]
    ]
    assert not wrong


@pytest.mark.parametrize("folder", MAY_IMPORT_LOCAL)
def test_the_outside_world_is_not_tangled(folder: str):
    allowed = MAY_IMPORT_LOCAL[folder] | {"models", "model_sources", "notify"}
    wrong = [
        f"{_name(path)}:{line} imports {module}"
        for path in sorted((ROOT / "local" / folder).rglob("*.py"))
        for line, module in _imports(path)
        if module.startswith("local.") and module.split(".")[1] not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_has_one_idea(path: Path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_names_say_what_a_thing_is(path: Path):
    assert not FORBIDDEN_NAMES & {*path.relative_to(ROOT).parent.parts, path.stem}


def test_packages_have_no_code_of_their_own():
    assert not [_name(p) for p in FILES if p.name == "__init__.py" and p.read_text().strip()]


def _reads_environment(tree: ast.AST) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv")}
    ]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_the_environment_is_read_in_one_place(path: Path):
    if path.relative_to(ROOT).parts[0] == "local" or _name(path) in READS_ENVIRONMENT:
        return
    lines = [f"{_name(path)}:{line}" for line in _reads_environment(ast.parse(path.read_text()))]
    assert not lines
