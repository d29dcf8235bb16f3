"""What holds for every test: nothing is left behind; and who runs which when two share the work."""

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


# They speak on a line of their own, which takes as long as speech does and little of the processor.
WHOLE_CALLS = {
    "test_browser_calls",
    "test_calls_by_sip",
    "test_demo",
    "test_ends_by_sip",
    "test_keys_by_sip",
    "test_outgoing_calls",
    "test_phones",
    "test_transfer_calls",
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Whole calls go to one worker, one after the other; every other file stays whole too."""
    group = "whole calls" if _file(item) in WHOLE_CALLS else _file(item)
    item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole calls go first: they take the longest."""
    items.sort(key=lambda item: _file(item) not in WHOLE_CALLS)


def _file(item: pytest.Item) -> str:
    return item.path.stem
