"""A call's own descriptions, and what they agree on with the far end's."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from local.sip.behaviour import Behaviour
from local.sip.errors import SipParseError
from local.sip.rtp_session import RtpSession
from local.sip.sdp import (
    EVENT_PAYLOAD,
    PAYLOADS,
    Direction,
    Negotiated,
    Sdp,
    negotiate,
    parse_sdp,
    render_sdp,
)


class OfferAnswer:
    """Offers, answers, and tells the audio what was agreed (RFC 3264).

    Parameters:
        sip_host: The far end's SIP address.
        hold: Whether this end has put the far end on hold.
    """

    def __init__(
        self,
        media: RtpSession,
        host: str,
        sip_host: str,
        behaviour: Behaviour,
        codecs: Sequence[str],
    ):
        """Initialize with the call's audio.

        Args:
            media: Follows what is agreed.
            host: Own address for the SDP.
            sip_host: The far end's SIP address.
            behaviour: Hold and codec policy.
            codecs: Own codecs, the preferred first.
        """
        self.sip_host = sip_host
        self._media, self._host = media, host
        self._behaviour, self._codecs = behaviour, tuple(codecs)
        self._session_id = secrets.randbits(31)
        self._version = 1
        self._body = b""
        self.hold = False

    @property
    def agreed(self) -> bool:
        """Whether both ends know what to send."""
        return self._media.negotiated is not None

    def offer(self, *, hold: bool | None = None) -> bytes:
        """An own offer: all codecs at first, the one in use later.

        Args:
            hold: Whether the far end is put on hold; None leaves it as it is.
        """
        if hold is not None:
            self.hold = hold
        agreed = self._media.negotiated
        if agreed is None:
            codecs = [(PAYLOADS[name], name) for name in self._codecs]
            return self._render(codecs, EVENT_PAYLOAD, "sendrecv", None)
        direction: Direction = "sendonly" if self.hold else "sendrecv"
        return self._render([(agreed.payload, agreed.codec)], agreed.event_payload, direction, None)

    def take_answer(self, body: bytes) -> None:
        """The far end answered an own offer.

        Raises:
            SipParseError: If it is broken or names no own codec.
        """
        self._configure(negotiate(parse_sdp(body), self._codecs, direction=self._own_direction))

    def check_offer(self, body: bytes) -> None:
        """Whether an offer can be answered.

        Raises:
            SipParseError: If it is broken or names no own codec.
        """
        negotiate(parse_sdp(body), self._codecs)

    def answer(self, body: bytes) -> bytes:
        """The answer to an offer: one codec, telephone-event if offered, its hold followed or not.

        Raises:
            SipParseError: If it is broken or names no own codec.
        """
        offer = parse_sdp(body)
        again = self.agreed
        agreed = negotiate(
            offer,
            self._codecs,
            own_order=self._behaviour.own_codec_order,
            direction=self._own_direction,
        )
        if not self._behaviour.follow_hold:
            agreed = replace(agreed, direction="sendrecv")
        self._configure(agreed)
        if again and not self._behaviour.follow_hold:
            return self._body
        codecs = [(agreed.payload, agreed.codec)]
        return self._render(codecs, agreed.event_payload, agreed.direction, offer)

    @property
    def _own_direction(self) -> Direction:
        return "sendonly" if self.hold else "sendrecv"

    def _configure(self, agreed: Negotiated) -> None:
        old = self._media.negotiated
        if agreed.remote[0] == "0.0.0.0" and old:
            # The old form of hold names no address; audio returns to the last one.
            agreed = replace(agreed, remote=old.remote)
        self._media.configure(agreed, self.sip_host)

    def _render(
        self,
        codecs: list[tuple[int, str]],
        event_payload: int | None,
        direction: Direction,
        answer_to: Sdp | None,
    ) -> bytes:
        def render() -> bytes:
            return render_sdp(
                (self._host, self._media.address[1]),
                codecs,
                event_payload,
                direction=direction,
                session_id=self._session_id,
                version=self._version,
                name=self._behaviour.session_name,
                answer_to=answer_to,
            )

        body = render()
        if self._body and body != self._body:
            self._version += 1
            body = render()
        self._body = body
        return body


def has_offer(body: bytes, content_type: str) -> bool:
    """Whether a message carries SDP.

    Raises:
        SipParseError: If it carries something else.
    """
    if not body:
        return False
    if content_type.partition(";")[0].strip().lower() != "application/sdp":
        raise SipParseError(f"body is {content_type!r}, not application/sdp")
    return True
