"""One call's audio: a UDP socket, PCMU or PCMA at 8 kHz, 20 ms a packet, digits as events."""

import asyncio
import time
from collections.abc import Callable

import numpy as np

from local.sip.behaviour import RtpOptions
from local.sip.media_timeout import MediaTimeout
from local.sip.rtp_receiver import RtpReceiver
from local.sip.rtp_sender import FRAME, RtpSender
from local.sip.rtp_socket import open_rtp_socket, receive_stamped
from local.sip.rtp_stats import RtpStats
from local.sip.sdp import Negotiated
from local.sip.uri import Address

_SILENCE = np.zeros(FRAME, np.int16)
_FRAME_SECS = 0.02


class RtpSession:
    """The audio of one call, on the running event loop.

    Parameters:
        address: Own host and port.
        on_audio: Called on the loop with each frame, int16[160] at 8 kHz, in order, a lost one
            concealed, and its kernel arrival time on the ``time.monotonic()`` clock. Frames may
            come in bursts; nothing comes while a digit sounds.
        on_digit: Called once a digit, at its first packet.
        on_digit_ended: Called with the digit and its length in seconds.
        on_timeout: Called once when the far end's packets never came or stopped.
        negotiated: What offer and answer agreed on; None before.
    """

    def __init__(self, host: str = "127.0.0.1", options: RtpOptions | None = None):
        options = options or RtpOptions()
        self.on_timeout: Callable[[], None] | None = None
        self.negotiated: Negotiated | None = None
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._socket = open_rtp_socket(host)
        self.address: Address = self._socket.getsockname()
        self._receiver = RtpReceiver(options)
        self._sender = RtpSender(self._transmit, options)
        self._timeout = MediaTimeout(options.initial_timeout_secs, options.later_timeout_secs)
        self._tick_timer: asyncio.TimerHandle | None = None
        self._timeout_timer: asyncio.TimerHandle | None = None
        self._last_send = 0.0
        self._closed = False
        self._loop.add_reader(self._socket, self._readable)

    @property
    def on_audio(self) -> Callable[[np.ndarray, float], None] | None:
        """The listener."""
        return self._receiver.on_audio

    @on_audio.setter
    def on_audio(self, listener: Callable[[np.ndarray, float], None] | None) -> None:
        self._receiver.on_audio = listener

    @property
    def on_digit(self) -> Callable[[str], None] | None:
        """The listener for digits."""
        return self._receiver.on_digit

    @on_digit.setter
    def on_digit(self, listener: Callable[[str], None] | None) -> None:
        self._receiver.on_digit = listener

    @property
    def on_digit_ended(self) -> Callable[[str, float], None] | None:
        """The listener for the ends of digits."""
        return self._receiver.on_digit_ended

    @on_digit_ended.setter
    def on_digit_ended(self, listener: Callable[[str, float], None] | None) -> None:
        self._receiver.on_digit_ended = listener

    @property
    def stats(self) -> RtpStats:
        """Counters so far."""
        self._receiver.stats.sent = self._sender.sent
        return self._receiver.stats

    @property
    def remote(self) -> Address | None:
        """Where packets go: the latched source, or what the SDP said."""
        return self._receiver.latch.target

    def configure(self, negotiated: Negotiated, sip_host: str = "") -> None:
        """Follow an offer/answer at once.

        Args:
            negotiated: What both ends agreed on.
            sip_host: Where the far end's SIP comes from; its audio may come from there, too.
        """
        self.negotiated = negotiated
        self._receiver.configure(negotiated, sip_host)
        self._sender.configure(negotiated)
        if self._timeout.running:
            self.start_timeout()

    def allow_gaps(self, secs: float) -> None:
        """Change how long the far end's packets may stop; before the call is answered."""
        self._timeout = MediaTimeout(self._options.initial_timeout_secs, secs)

    def start_timeout(self) -> None:
        """Watch the far end's packets from now: the call is answered."""
        waits = self.negotiated is None or self.negotiated.receives
        if waits or self._options.timeout_on_hold:
            self._timeout.start(time.monotonic())
        elif self._timeout.running:
            # On hold nothing is due; a start far ahead keeps the watch for the resume.
            self._timeout.start(float("inf"))
        self._arm_timeout()

    def send(self, pcm: np.ndarray) -> None:
        """Send 20 ms at once: int16[160] at 8 kHz. From any thread; on hold nothing leaves.

        Raises:
            ValueError: If the frame is not 160 samples long.
        """
        self._last_send = time.monotonic()
        if not self._closed:
            self._sender.send(pcm)

    async def send_digits(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 100) -> None:
        """Send digits in place of audio, and return behind the last gap.

        They go at the pace of ``send``; when nobody sends, at their own.

        Raises:
            ValueError: If one is not of ``0123456789*#ABCD``, or the far end takes no events.
        """
        if not digits:
            return
        sent = self._loop.create_future()

        def finish() -> None:
            if not sent.done():
                sent.set_result(None)

        self._sender.queue_digits(
            digits, tone_ms, gap_ms, lambda: self._loop.call_soon_threadsafe(finish)
        )
        due = self._loop.time()
        while not sent.done() and not self._closed:
            due += _FRAME_SECS
            await asyncio.wait([sent], timeout=max(0.0, due - self._loop.time()))
            if time.monotonic() - self._last_send > 2 * _FRAME_SECS and not sent.done():
                self._sender.send(_SILENCE)

    def close(self) -> None:
        """Stop listening and free the port; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._tick_timer, self._timeout_timer):
            if timer:
                timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _transmit(self, datagram: bytes) -> None:
        target = self.remote
        if self._closed or target is None:
            return
        try:
            self._socket.sendto(datagram, target)
        except OSError:
            # A full queue, a far end without a listener, or closed by the loop's thread just now:
            # a lost packet like any other, and the far end's silence ends the call.
            return

    def _readable(self) -> None:
        received = receive_stamped(self._socket)
        if received and self._receiver.receive(*received) and self._timeout.heard(received[2]):
            self._arm_timeout()
        self._arm_tick()

    def _arm_tick(self) -> None:
        due = self._receiver.due
        if due is None or self._closed or (self._tick_timer and not self._tick_timer.cancelled()):
            return
        self._tick_timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._tick_timer = None
        self._receiver.tick(self._loop.time())
        self._arm_tick()

    def _arm_timeout(self) -> None:
        if self._timeout_timer:
            self._timeout_timer.cancel()
            self._timeout_timer = None
        due = self._timeout.due
        if due is not None and due != float("inf") and not self._closed:
            self._timeout_timer = self._loop.call_at(due, self._check_timeout)

    def _check_timeout(self) -> None:
        if self._timeout.expired(time.monotonic()):
            self._timeout.stop()
            if self.on_timeout:
                self.on_timeout()
        else:
            # Packets came since: look again when their patience is over.
            self._arm_timeout()
