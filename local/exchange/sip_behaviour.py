"""livekit-sip's own way with SIP, where the RFCs leave a choice."""

from local.exchange.config import ExchangeConfig
from local.exchange.ids import new_id
from local.sip.behaviour import Behaviour, RtpOptions

CODECS = ("PCMU", "PCMA")
_ALLOW = "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE"


def sip_behaviour(config: ExchangeConfig) -> Behaviour:
    """Imitate livekit-sip be5d3f57 as it was observed."""
    return Behaviour(
        trying="Processing",
        trying_tag=True,
        ring_every_secs=1.0,
        new_tag=lambda: new_id("SCL_"),
        codecs=CODECS,
        own_codec_order=True,
        no_codec=(400, ""),
        offerless=False,
        follow_hold=False,
        referred_by=False,
        unsupported=frozenset({"INFO", "UPDATE", "REFER"}),
        allow=_ALLOW,
        digest_phrase="Unauthorized",
        digest_realm="LiveKit",
        digest_qop=False,
        digest_refusal=(401, "Unauthorized"),
        session_name="LiveKit",
        rtp=RtpOptions(
            first_sequence=0,
            first_timestamp=0,
            initial_timeout_secs=config.media_timeout_initial_secs,
            later_timeout_secs=config.media_timeout_secs,
            timeout_on_hold=True,
        ),
    )
