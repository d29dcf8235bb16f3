"""Decides which source a call's audio comes from, and so where it goes (symmetric RTP)."""

from local.sip.uri import Address

_QUIET_SECS = 0.1


class SymmetricLatch:
    """Holds on to the first source of valid packets on the far end's hosts.

    Those are the host in its SDP and the one its SIP comes from. It moves to the very address of
    the SDP at once, and elsewhere on those hosts when a new SSRC comes from there and the old
    source has been quiet. On loopback all peers share the address, so the port decides.
    """

    def __init__(self, *, symmetric: bool = True):
        self._symmetric = symmetric
        self._signalled: Address | None = None
        self._latched: Address | None = None
        self._hosts: set[str] = set()
        self._ssrcs: set[int] = set()
        self._heard_at = 0.0

    @property
    def target(self) -> Address | None:
        """Where to send: the latched source, or what the SDP said."""
        return self._latched or self._signalled

    def signalled(self, address: Address, sip_host: str = "") -> None:
        """A new SDP address; the next valid packet may latch anew if it differs."""
        self._hosts = {address[0], sip_host}
        if address != self._signalled:
            self._signalled, self._latched = address, None
            self._ssrcs.clear()

    def accepts(self, source: Address, ssrc: int, now: float) -> bool:
        """Whether a valid packet is of this call."""
        if source[0] not in self._hosts:
            return False
        if not self._symmetric:
            return True
        if source != self._latched and self._may_move(source, ssrc, now):
            self._latched = source
        if source != self._latched:
            return False
        self._ssrcs.add(ssrc)
        self._heard_at = now
        return True

    def _may_move(self, source: Address, ssrc: int, now: float) -> bool:
        if self._latched is None or source == self._signalled:
            return True
        return ssrc not in self._ssrcs and now - self._heard_at > _QUIET_SECS
