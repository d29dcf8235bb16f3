"""What holds for every test: nothing is left behind."""

from collections.abc import Iterator

import psutil
import pytest


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left_behind() -> Iterator[None]:
    """Fails the run when a process that a test started is still there at its end."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=5)
    assert not alive, f"still running: {[(c.pid, c.cmdline()) for c in alive]}"
