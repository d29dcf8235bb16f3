"""The stack's ports on loopback: chosen, free and checked."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields

HOST = "127.0.0.1"
_UDP = ("sip", "media")
_WHAT = {
    "sip": "SIP (udp)",
    "api": "the API (tcp)",
    "livekit": "LiveKit's signalling (tcp)",
    "media": "LiveKit's media (udp)",
    "providers": "the local providers (tcp)",
}


@dataclass(frozen=True)
class Ports:
    """One port a role; SIP and media are UDP, the others TCP."""

    sip: int = 5060
    api: int = 8080
    livekit: int = 7880
    media: int = 7882
    providers: int = 8090

    @classmethod
    def chosen(cls, environ: Mapping[str, str], base: int | None = None) -> "Ports":
        """The defaults, moved by ``SWITCHBOARD_<ROLE>_PORT`` or all by a base.

        Raises:
            ValueError: If a port is no number from 1 to 65535; names the variable.
        """
        names = [field.name for field in fields(cls)]
        if base is not None:
            if not 0 < base <= 65535 - len(names):
                raise ValueError(f"--port-base {base} is not between 1 and {65535 - len(names)}")
            return cls(*range(base, base + len(names)))
        chosen: dict[str, int] = {}
        for name in names:
            variable = f"SWITCHBOARD_{name.upper()}_PORT"
            if value := environ.get(variable):
                if not value.isdigit() or not 0 < int(value) <= 65535:
                    raise ValueError(f"{variable}={value!r} is not a port between 1 and 65535")
                chosen[name] = int(value)
        return cls(**chosen)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody uses at this moment."""
        with ExitStack() as held:
            numbers: dict[str, int] = {}
            for field in fields(cls):
                opened = held.enter_context(socket.socket(socket.AF_INET, _kind(field.name)))
                opened.bind((HOST, 0))
                numbers[field.name] = opened.getsockname()[1]
        return cls(**numbers)

    def in_use(self, *, without: tuple[str, ...] = ()) -> list[tuple[str, int, str]]:
        """Role, number and description of each port that another process holds."""
        taken: list[tuple[str, int, str]] = []
        for field in fields(self):
            name, number = field.name, getattr(self, field.name)
            if name not in without and not _can_bind(name, number):
                taken.append((name, number, _WHAT[name]))
        return taken


def _kind(name: str) -> socket.SocketKind:
    return socket.SOCK_DGRAM if name in _UDP else socket.SOCK_STREAM


def _can_bind(name: str, number: int) -> bool:
    with socket.socket(socket.AF_INET, _kind(name)) as probe:
        if name not in _UDP:
            # As servers do: a connection that just closed does not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
        return True
