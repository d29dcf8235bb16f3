"""Tells the process that started this one that it is ready.

Source: sd_notify(3).
"""

import socket


def announce_ready(address: str | None) -> None:
    """Send ``READY=1`` to the datagram socket at ``address``; without one nothing is sent."""
    if not address:
        return
    if address.startswith("@"):  # a name in Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.sendall(b"READY=1")
