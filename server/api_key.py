"""The key that the HTTP API asks for."""

import os
import secrets
from pathlib import Path

FILE_NAME = "api_key"


def kept_key(data: Path) -> str | None:
    """The generated key of this data folder, if there is one."""
    try:
        return (data / FILE_NAME).read_text().strip() or None
    except FileNotFoundError:
        return None


def ensure_key(data: Path) -> str:
    """The kept key, generated on first use; readable by its owner alone.

    Raises:
        OSError: If the folder cannot be written.
    """
    if key := kept_key(data):
        return key
    data.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(24)
    descriptor = os.open(data / FILE_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    return key
