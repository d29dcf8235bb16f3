"""What the server itself knows of the bots: their names, and who may be called from a browser.

The fork server loads them whole; that they are sound is known by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml


@dataclass(frozen=True)
class KnownBots:
    """The bots of a folder, as they were when the server started.

    Parameters:
        names: All of them.
        web: Those with ``web: true``.
        variables: By bot: its variables with their defaults; None: a call must bring it.
    """

    names: frozenset[str] = frozenset()
    web: frozenset[str] = frozenset()
    variables: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "KnownBots":
        """Read every ``NAME.yaml``; one that cannot be read is left out, the loader complains."""
        web: dict[str, bool] = {}
        variables: dict[str, dict[str, str | None]] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                keys = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                continue
            if not isinstance(keys, dict) or keys.get("name") != path.stem:
                continue  # the folder holds desks too
            web[path.stem] = keys.get("web") is True
            variables[path.stem] = keys.get("variables") or {}
        return cls(frozenset(web), frozenset(n for n, on in web.items() if on), variables)
