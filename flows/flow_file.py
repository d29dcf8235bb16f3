"""Joins ``flows/NAME.yaml`` to the tools in ``flows/NAME.py``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pipecat.flows import Flow, FlowConfig, FlowError, FlowReferenceError
from pydantic import ValidationError

from flows.code_file import CodeFileError, load_code_file
from flows.ready import with_ready_tools
from services.problem import Problem


def flow_files(name: str, flows_dir: Path) -> list[Path]:
    """The files a flow is made of, as far as they exist."""
    return [p for p in (flows_dir / f"{name}.yaml", flows_dir / f"{name}.py") if p.is_file()]


def flow_names(flows_dir: Path) -> list[str]:
    """Names of the flows in a folder; rules of the local responder are none."""
    return sorted(p.stem for p in flows_dir.glob("*.yaml") if not p.stem.endswith(".rules"))


def load_flow(name: str, flows_dir: Path) -> tuple[Flow | None, list[Problem]]:
    """Load one flow with its tools.

    Returns:
        The flow, or None with every problem of its two files.
    """
    path = flows_dir / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(flow_names(flows_dir)) or "none"
        message = f"there is no flow '{name}'; flows are: {known}"
        return None, [Problem(str(path), "", message, f"write {path} or name another flow")]
    try:
        config = FlowConfig.from_file(path)
    except yaml.YAMLError as error:
        return None, [Problem(str(path), "", f"is not YAML: {error}", "mend this line")]
    except ValidationError as error:
        return None, [_problem_of(path, details) for details in error.errors()]
    except (FlowError, OSError, ValueError) as error:
        return None, [Problem(str(path), "", str(error), "mend the file")]
    return _join(path, config)


def _join(path: Path, config: FlowConfig) -> tuple[Flow | None, list[Problem]]:
    code = path.with_suffix(".py")
    try:
        handlers = load_code_file(code) if code.is_file() else {}
        return Flow(config, handlers=with_ready_tools(handlers)), []
    except CodeFileError as error:
        return None, [Problem(str(code), "", str(error), "mend the Python file")]
    except FlowReferenceError as error:
        remedy = f"define it in {code} or remove it from the flow"
        return None, [Problem(str(path), "", p.message, remedy) for p in error.problems]


def _problem_of(path: Path, details: Mapping[str, Any]) -> Problem:
    key = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        return Problem(str(path), key, "is no key of a flow", "remove it")
    return Problem(str(path), key, details["msg"], "mend this key")
