"""Tells the service supervisor how far the server is (systemd's ``sd_notify`` protocol)."""

import socket


def notify(address: str | None, state: str) -> None:
    """Sends e.g. ``READY=1``; does nothing without a supervisor.

    Args:
        address: ``$NOTIFY_SOCKET``: a path, or ``@`` and an abstract name.
        state: Assignments, one a line.

    Raises:
        OSError: The socket is not there.
    """
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.sendto(state.encode(), address)
