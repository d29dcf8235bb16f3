"""Loads the Python that stands beside a YAML file."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


class CodeFileError(Exception):
    """A Python file could not be loaded; the message says why in one line."""


def load_code_file(path: Path) -> ModuleType:
    """Import ``path``, as part of its package where it is in one.

    Raises:
        CodeFileError: If the code raises while it is imported.
    """
    package_name = f"{path.parent.name}.{path.stem}"
    try:
        if _is_importable(package_name, path):
            return importlib.import_module(package_name)
        name = f"switchboard_{path.parent.name}_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise CodeFileError("is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up here
        spec.loader.exec_module(module)
        return module
    except Exception as error:  # whatever foreign code raises is a problem of its file
        raise CodeFileError(f"{type(error).__name__}: {error}") from error


def _is_importable(name: str, path: Path) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return False
    return bool(spec and spec.origin and Path(spec.origin).resolve() == path.resolve())
