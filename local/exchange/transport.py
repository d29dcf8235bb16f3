"""One client's media transport: ICE-lite, DTLS, SRTP and data channels, from its offer."""

import asyncio
import time
from collections.abc import Callable, Mapping

import pylibsrtp
from loguru import logger

from local.exchange import rtp
from local.exchange.answer import LocalSide, Slot, build_answer
from local.exchange.certificate import Certificate
from local.exchange.dtls import DtlsSession
from local.exchange.ice import Address, IceCredentials, IceSocket
from local.exchange.ids import random_text
from local.exchange.offer import AUDIO_LEVEL, SDES_MID, Offer, parse_offer
from local.exchange.sctp import DataChannels


class MediaTransport:
    """Carries the media of one client.

    The owner sets ``on_rtp``, ``on_data``, ``on_connected`` and ``on_closed`` before the first
    offer. ``remote`` is where datagrams go; times are ``time.monotonic()``.
    """

    def __init__(self, ice: IceSocket, certificate: Certificate):
        self.on_rtp: Callable[[rtp.RtpPacket], None] = lambda packet: None
        self.on_data: Callable[[str, bytes], None] = lambda label, message: None
        self.on_connected: Callable[[], None] = lambda: None
        self.on_closed: Callable[[str], None] = lambda reason: None
        self.remote: Address | None = None
        self.offer: Offer | None = None
        self.connected = False
        self.received = self.sent = self.bad = 0
        self.last_check = self.last_rtp = time.monotonic()
        self._ice, self._certificate = ice, certificate
        self._dtls = DtlsSession(
            certificate,
            self._send,
            on_ready=self._on_dtls_ready,
            on_data=self._on_dtls_data,
            on_close=self._on_dtls_close,
        )
        self._channels: DataChannels | None = None
        self._closing: asyncio.Task[None] | None = None
        self._remote_ufrag = self._ufrag = self._pwd = ""
        self._level_id, self._mid_id = 1, 4
        self._session, self._version = int(time.time() * 1000), 1

    def set_offer(self, text: str) -> Offer:
        """Read the client's offer; new ICE credentials in it restart ICE and keep the media.

        Raises:
            ValueError: If the offer cannot be used.
        """
        offer = parse_offer(text)
        if offer.ufrag != self._remote_ufrag:
            self._remote_ufrag = offer.ufrag
            self._ufrag, self._pwd = random_text(8), random_text(24)
            self._ice.register(IceCredentials(self, self._ufrag, self._pwd))
        self._dtls.peer_fingerprint = offer.fingerprint
        if offer.extension(AUDIO_LEVEL):
            self._level_id = offer.extension(AUDIO_LEVEL)
            self._mid_id = offer.extension(SDES_MID)
        self.offer = offer
        return offer

    def answer(self, slots: Mapping[str, Slot]) -> str:
        """Write the answer to the last offer."""
        assert self.offer is not None, "an answer needs an offer"
        self._version += 1
        local = LocalSide(
            self._ufrag,
            self._pwd,
            self._certificate.fingerprint,
            self._ice.host,
            self._ice.port,
            self._session,
            self._version,
        )
        return build_answer(self.offer, local, slots)

    def on_datagram(self, data: bytes) -> None:
        """Take one datagram that is not STUN."""
        first = data[0]
        if 20 <= first < 64:
            self._dtls.receive(data)
        elif 128 <= first < 192 and self._dtls.inbound is not None:
            # RTCP is not needed and not read: SRTP alone proves that the client lives.
            if rtp.is_rtcp(data):
                return
            try:
                plain = self._dtls.inbound.unprotect(data)
            except pylibsrtp.Error:
                self.bad += 1
                return
            packet = rtp.parse(plain, self._level_id, self._mid_id)
            if packet is None:
                self.bad += 1
                return
            self.received += 1
            self.last_rtp = time.monotonic()
            self.on_rtp(packet)

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet."""
        if self._dtls.outbound is not None and self.remote is not None:
            self.sent += 1
            self._ice.send(self._dtls.outbound.protect(packet), self.remote)

    def send_data(self, label: str, message: bytes) -> bool:
        """Send one data channel message; ``False`` if it was dropped."""
        return self._channels is not None and self._channels.send(label, message)

    @property
    def silent_secs(self) -> float:
        """Seconds since anything came from the client.

        A client checks its path every 2.5 s at least, and one that publishes sends 50 packets a
        second, in silence too.
        """
        return time.monotonic() - max(self.last_check, self.last_rtp)

    def close(self) -> None:
        """End the media; safe to call twice."""
        self.connected = False
        if self._channels is not None:
            self._closing = asyncio.create_task(self._close_channels(self._channels))
            self._channels = None
        else:
            self._dtls.close()
        self._ice.unregister(self)

    async def wait_closed(self) -> None:
        """Wait until ``close`` has said its goodbyes."""
        if self._closing is not None:
            await asyncio.gather(self._closing, return_exceptions=True)

    async def _close_channels(self, channels: DataChannels) -> None:
        await channels.close()
        self._dtls.close()

    def _send(self, datagram: bytes) -> None:
        if self.remote is not None:
            self._ice.send(datagram, self.remote)

    def _on_dtls_ready(self) -> None:
        self._channels = DataChannels(self._dtls.send, self._on_message)
        self.connected = True
        self.on_connected()

    def _on_dtls_data(self, data: bytes) -> None:
        if self._channels is not None:
            self._channels.receive(data)

    def _on_message(self, label: str, message: bytes) -> None:
        self.on_data(label, message)

    def _on_dtls_close(self, reason: str) -> None:
        logger.debug(f"media transport closed by the client: {reason}")
        self.connected = False
        self.on_closed(reason)
