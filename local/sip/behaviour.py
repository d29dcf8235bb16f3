"""How an endpoint behaves where the RFCs leave a choice, or where another stack is imitated."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from local.sip.timers import Timers

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REFER", "NOTIFY", "INFO", "UPDATE")


@dataclass(frozen=True)
class RtpOptions:
    """One call's audio.

    Parameters:
        first_sequence: Sequence number of the first packet; None is random.
        first_timestamp: Timestamp of the first packet; None is random.
        symmetric: Send to where the far end's packets come from.
        reorder_secs: How long a gap may hold back what follows.
        initial_timeout_secs: A call without any packet ends so long after the answer; None never.
        later_timeout_secs: A call whose packets stop ends so long after; None never.
        timeout_on_hold: Whether that also counts while the far end need not send.
    """

    first_sequence: int | None = None
    first_timestamp: int | None = None
    symmetric: bool = True
    reorder_secs: float = 0.06
    initial_timeout_secs: float | None = 30.0
    later_timeout_secs: float | None = 15.0
    timeout_on_hold: bool = False


@dataclass(frozen=True)
class Behaviour:
    """One endpoint's answers.

    Parameters:
        trying: Phrase of the 100 that answers an INVITE at once.
        trying_tag: Whether that 100 carries the To-tag already.
        ring_every_secs: Repeat the 180 at this interval; None sends it once.
        new_tag: Makes the tags of incoming calls.
        codecs: Own codecs, the preferred first.
        own_codec_order: Whether the own order decides in an answer, or the offer's.
        no_codec: Status and phrase for an INVITE without a common codec.
        offerless: Whether an INVITE without SDP gets the offer in the 200; else ``no_codec``.
        follow_hold: Answer hold with ``recvonly`` and fall silent; else answer and send as before.
        referred_by: Whether a REFER names who asks (RFC 3892).
        unsupported: Methods answered 405.
        allow: Value of Allow; None derives it from ``unsupported``.
        digest_status: 407 or 401, the challenge.
        digest_phrase: Its phrase.
        digest_realm: Its realm.
        digest_algorithms: Preferred first.
        digest_qop: Whether to ask for ``qop=auth``.
        digest_refusal: Status and phrase for wrong credentials; None challenges again.
        session_name: ``s=`` of the SDP.
        rtp: Audio of each call.
        timers: Base values of the transaction timers.
    """

    trying: str = "Trying"
    trying_tag: bool = False
    ring_every_secs: float | None = None
    new_tag: Callable[[], str] = field(default=lambda: secrets.token_hex(6))
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    own_codec_order: bool = False
    no_codec: tuple[int, str] = (488, "Not Acceptable Here")
    offerless: bool = True
    follow_hold: bool = True
    referred_by: bool = True
    unsupported: frozenset[str] = frozenset()
    allow: str | None = None
    digest_status: int = 407
    digest_phrase: str = "Proxy Authentication Required"
    digest_realm: str = "switchboard"
    digest_algorithms: tuple[str, ...] = ("MD5",)
    digest_qop: bool = True
    digest_refusal: tuple[int, str] | None = (403, "Forbidden")
    session_name: str = "switchboard"
    rtp: RtpOptions = RtpOptions()
    timers: Timers = Timers()

    @property
    def allowed(self) -> str:
        """Value of the Allow header."""
        return self.allow or ", ".join(m for m in METHODS if m not in self.unsupported)
