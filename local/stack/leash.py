"""Runs a command that ends with its parent: ``leash.py [--pipe] PARENT_PID SIGNAL COMMAND …``.

Runs as a script, without the packages around it. On Linux the kernel sends the signal and the
command takes this process's place; elsewhere this process stays and watches its standard input, a
pipe that closes when the parent dies.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code where it did not take this process's place."""
    by_pipe = sys.platform != "linux" or arguments[0] == "--pipe"
    if arguments[0] == "--pipe":
        arguments = arguments[1:]
    parent, number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if by_pipe:
        return _run_beside(command, number)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died before the kernel knew of the wish.
    if os.getppid() != parent:
        return 1
    os.execv(command[0], command)


def _run_beside(command: list[str], number: int) -> int:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for passed_on in (signal.SIGTERM, signal.SIGINT):
        signal.signal(passed_on, lambda received, _frame: process.send_signal(received))

    def watch() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        process.send_signal(number)

    threading.Thread(target=watch, daemon=True).start()
    code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
