"""Memory and CPU of a process and everything it started."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """A moment of a process tree.

    Parameters:
        pss_mb: Proportional set size: private pages, and the share of those that are shared.
        cpu_secs: CPU time used so far by those that still run.
    """

    pss_mb: float
    cpu_secs: float


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def usage(processes: list[psutil.Process]) -> Usage:
    """Sum over the processes that are still there."""
    pss = cpu = 0.0
    for process in processes:
        try:
            pss += process.memory_full_info().pss / 2**20
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        cpu += times.user + times.system
    return Usage(pss, cpu)
