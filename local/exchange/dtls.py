"""DTLS 1.2 in the server's role over a datagram callback, and the SRTP sessions keyed by it.

Source: RFC 5764 (DTLS-SRTP). pyOpenSSL with a memory BIO: no socket here.
"""

import asyncio
from collections.abc import Callable

import pylibsrtp
from OpenSSL import SSL

from local.exchange.certificate import Certificate, fingerprint

MTU = 1200
_RECORD_HEAD = 13
# By OpenSSL name: the profile of libsrtp, bytes of key, bytes of salt.
_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AES128_CM_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}


class DtlsSession:
    """One client's DTLS association.

    ``peer_fingerprint`` comes from the offer and must be set before the handshake ends. Once
    ``ready``, ``inbound`` and ``outbound`` are the SRTP sessions.
    """

    def __init__(
        self,
        certificate: Certificate,
        send: Callable[[bytes], None],
        *,
        on_ready: Callable[[], None],
        on_data: Callable[[bytes], None],
        on_close: Callable[[str], None],
    ):
        """Wait for the client's hello.

        Args:
            certificate: The exchange's.
            send: Takes one datagram of at most ``MTU`` bytes (larger only for a single record).
            on_ready: Called when the handshake has ended and SRTP is keyed.
            on_data: Takes decrypted application data: SCTP packets.
            on_close: Called with a reason when the client closes or the handshake fails.
        """
        self._send = send
        self._on_ready, self._on_data, self._on_close = on_ready, on_data, on_close
        self._connection = SSL.Connection(certificate.context, None)
        self._connection.set_ciphertext_mtu(MTU)
        self._connection.set_accept_state()
        self._timer: asyncio.TimerHandle | None = None
        self.peer_fingerprint = ""
        self.ready = False
        self.closed = False
        self.inbound: pylibsrtp.Session | None = None
        self.outbound: pylibsrtp.Session | None = None

    def receive(self, datagram: bytes) -> None:
        """Take one datagram of the client."""
        if self.closed:
            return
        self._connection.bio_write(datagram)
        if not self.ready:
            self._handshake()
        if self.ready:
            self._read()

    def send(self, data: bytes) -> None:
        """Encrypt and send application data."""
        if self.ready and not self.closed:
            self._connection.send(data)
            self._flush()

    def close(self) -> None:
        """Say goodbye (close_notify) and stop; ``on_close`` is not called."""
        if self.closed:
            return
        self._stop()
        try:
            self._connection.shutdown()
        except SSL.Error:  # before the handshake there is nothing to close
            return
        self._flush()

    def _read(self) -> None:
        while not self.closed:
            try:
                data = self._connection.recv(65536)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self._fail("close_notify")
                break
            except SSL.Error as exc:
                self._fail(f"DTLS error {exc}")
                break
            self._on_data(data)
        self._flush()

    def _fail(self, reason: str) -> None:
        if not self.closed:
            self._stop()
            self._on_close(reason)

    def _stop(self) -> None:
        self.closed = True
        if self._timer:
            self._timer.cancel()

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            self._arm()
            return
        except SSL.Error as exc:
            self._flush()
            self._fail(f"handshake failed: {exc}")
            return
        self._flush()
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or fingerprint(certificate) != self.peer_fingerprint:
            self._fail("the client's certificate is not the one its offer names")
        elif self._connection.get_selected_srtp_profile() not in _PROFILES:
            self._fail("no common SRTP profile")
        else:
            self._key_srtp()
            if self._timer:
                self._timer.cancel()
            self.ready = True
            self._on_ready()

    def _key_srtp(self) -> None:
        profile, key, salt = _PROFILES[self._connection.get_selected_srtp_profile()]
        secret = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = secret[:key] + secret[2 * key : 2 * key + salt]
        server = secret[key : 2 * key] + secret[2 * key + salt :]
        self.inbound = _srtp(client, profile, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self.outbound = _srtp(server, profile, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        wait = self._connection.DTLSv1_get_timeout()
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait + 0.005, self._expired)

    def _expired(self) -> None:
        if not self.ready and not self.closed:
            self._connection.DTLSv1_handle_timeout()
            self._flush()
            self._arm()

    def _flush(self) -> None:
        """Send what OpenSSL wrote: a memory BIO glues records, so cut it at their borders."""
        try:
            data = self._connection.bio_read(65536)
        except SSL.Error:  # nothing to read
            return
        start = pos = 0
        while pos + _RECORD_HEAD <= len(data):
            end = pos + _RECORD_HEAD + int.from_bytes(data[pos + 11 : pos + 13], "big")
            if end - start > MTU and pos > start:
                self._send(data[start:pos])
                start = pos
            pos = end
        if len(data) > start:
            self._send(data[start:])


def _srtp(key: bytes, profile: int, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=profile)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return pylibsrtp.Session(policy)
