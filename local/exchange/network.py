"""What this machine's network allows: loopback alone is not enough for LiveKit's SDK."""

import fcntl
import ipaddress
import socket
import struct

_SIOCGIFADDR, _SIOCGIFFLAGS = 0x8915, 0x8913
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8

ONLY_LOOPBACK_REMEDY = (
    "this machine has no network interface but loopback, and LiveKit's client finds no address to "
    "connect from then (it gathers none on lo). Any other interface that is up cures it, even one "
    "that leads nowhere: ip link add lk0 type dummy && ip addr add 10.255.255.1/32 dev lk0 && "
    "ip link set lk0 up (as root; where there is no 'dummy': ip link add lk0 type veth "
    "peer name lk1)"
)


def only_loopback() -> bool:
    """Tell whether the host has no IPv4 address but loopback's.

    A LiveKit room cannot be joined on such a host; say ``ONLY_LOOPBACK_REMEDY``.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return not any(_usable(probe, name) for _, name in socket.if_nameindex())


def _usable(probe: socket.socket, name: str) -> bool:
    request = struct.pack("256s", name.encode()[:15])
    try:
        flags = struct.unpack_from("H", fcntl.ioctl(probe.fileno(), _SIOCGIFFLAGS, request), 16)[0]
        address = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)[20:24]
    except OSError:  # no IPv4 address
        return False
    return bool(flags & _IFF_UP) and not flags & _IFF_LOOPBACK and any(address)


def is_loopback(host: str) -> bool:
    """Tell whether listening on ``host`` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
