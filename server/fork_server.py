"""Forks call processes from one process that has everything loaded.

Runs as ``python -m server.fork_server CONTROL_FD SESSION``. It must have exactly one OS thread: a
second one could hold a lock at the moment of a fork, and the child would wait for it for ever.

On the control socket (``SOCK_SEQPACKET``, a JSON object a message): up ``{"ready": threads}`` or
``{"refused": text}``, then ``{"forked": pid}`` for each request in order and
``{"exited": pid, "status": n}`` (negative: by that signal). Down: one byte with the call process's
end of its socket beside it.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys

from loguru import logger

from server.call_process import ConfigurationError, Session, run_call_process


def main() -> None:
    """Loads ``SESSION`` (``module:function``), then forks on request until the server is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    logger.remove()  # until the session's own logs are set up: libraries greet at import
    try:
        session = _load(sys.argv[2])
        threads = len(os.listdir("/proc/self/task"))
        if threads != 1:
            raise ConfigurationError(
                f"the fork server has {threads} threads and must have one: "
                "start it with ORT_DISABLE_TELEMETRY=1 OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1"
            )
    except ConfigurationError as error:
        _tell(control, refused=str(error))
        sys.exit(1)
    gc.collect()
    gc.freeze()
    _tell(control, ready=threads)
    _serve(control, session)


def _load(dotted: str) -> Session:
    module, _, function = dotted.partition(":")
    return getattr(importlib.import_module(module), function)()


def _serve(control: socket.socket, session: Session) -> None:
    wake_reader, wake_writer = socket.socketpair()
    wake_writer.setblocking(False)
    wake_reader.setblocking(False)
    signal.set_wakeup_fd(wake_writer.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        readable, _, _ = select.select([control, wake_reader], [], [])
        if wake_reader in readable:
            wake_reader.recv(4096)
            _reap(control)
        if control not in readable:
            continue
        request, fds, _, _ = socket.recv_fds(control, 16, 1)
        if not request:  # the server is gone; calls notice by their own sockets
            signal.set_wakeup_fd(-1)
            return
        pid = os.fork()
        if pid == 0:
            for ours in (control, wake_reader, wake_writer):
                ours.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_call_process(fds[0], session)  # does not return
        os.close(fds[0])
        _tell(control, forked=pid)


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(control, exited=pid, status=os.waitstatus_to_exitcode(status))


def _tell(control: socket.socket, **message: object) -> None:
    try:
        control.send(json.dumps(message).encode())
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)  # the server is gone


if __name__ == "__main__":
    main()
