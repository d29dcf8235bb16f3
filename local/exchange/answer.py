"""Writes the SDP answer that libwebrtc accepts from LiveKit: audio and data channels, ICE-lite."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.exchange.offer import AUDIO_LEVEL, SDES_MID, Offer, Section

MAX_MESSAGE_SIZE = 65536
_FMTP = "minptime=10;useinbandfec=1"


@dataclass(frozen=True, slots=True)
class Slot:
    """A track the client receives in one of its ``recvonly`` sections.

    Parameters:
        ssrc: What the exchange sends with.
        stream_id: ``<participant sid>|<track sid>``; the SDK drops a track without the bar.
    """

    ssrc: int
    stream_id: str
    track_sid: str


@dataclass(frozen=True, slots=True)
class LocalSide:
    """The exchange's half of a session."""

    ufrag: str
    pwd: str
    fingerprint: str
    host: str
    port: int
    session: int
    version: int


def build_answer(offer: Offer, local: LocalSide, slots: Mapping[str, Slot]) -> str:
    """Answer ``offer`` section by section, in its order and with its mids.

    Args:
        offer: The client's offer.
        local: Addresses and credentials of the exchange.
        slots: Tracks sent to the client, by mid.
    """
    bundle = [s.mid for s in offer.sections if s.port != 0 and _is_known(s)]
    lines = [
        "v=0",
        f"o=- {local.session} {local.version} IN IP4 {local.host}",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(bundle),
        "a=ice-lite",
        "a=msid-semantic: WMS *",
    ]
    for section in offer.sections:
        if section.mid not in bundle:
            lines += _refused(section)
            continue
        lines += _transport(section, local, with_candidate=section.mid == bundle[0])
        if section.kind == "application":
            lines += ["a=sctp-port:5000", f"a=max-message-size:{MAX_MESSAGE_SIZE}"]
        elif section.video:
            lines += _unused_video(*section.video)
        else:
            lines += _audio(section, slots.get(section.mid))
    return "\r\n".join(lines) + "\r\n"


def _is_known(section: Section) -> bool:
    return section.kind in ("audio", "application") or section.video is not None


def _refused(section: Section) -> list[str]:
    media = (
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
        if section.kind == "application"
        else f"m={section.kind} 0 UDP/TLS/RTP/SAVPF 0"
    )
    return [media, "c=IN IP4 0.0.0.0", "a=inactive", f"a=mid:{section.mid}"]


def _transport(section: Section, local: LocalSide, *, with_candidate: bool) -> list[str]:
    if section.kind == "application":
        lines = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0"]
    else:
        payload_type = section.video[0] if section.video else section.opus_pt
        lines = [
            f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
        ]
    lines += [
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        "a=setup:passive",
        f"a=mid:{section.mid}",
    ]
    if with_candidate:
        lines += [
            f"a=candidate:1 1 udp 2130706431 {local.host} {local.port} typ host generation 0",
            "a=end-of-candidates",
        ]
    return lines


def _unused_video(payload_type: str, codec: str) -> list[str]:
    # Taken but idle: a section that is refused stops its transceiver, and Chromium's next offer
    # then fails with "Transceiver not found based on m-line index".
    return ["a=inactive", "a=rtcp-mux", "a=rtcp-rsize", f"a=rtpmap:{payload_type} {codec}"]


def _audio(section: Section, slot: Slot | None) -> list[str]:
    sends = section.direction == "recvonly" and slot is not None
    lines: list[str] = []
    if section.direction == "sendonly":
        lines.append("a=recvonly")
    elif sends:
        assert slot is not None
        lines += ["a=sendonly", f"a=msid:{slot.stream_id} {slot.track_sid}"]
    else:
        lines.append("a=inactive")
    # In every section, used or not: libwebrtc never offers again what the first answer left out.
    lines += [
        f"a=extmap:{section.extensions[uri]} {uri}"
        for uri in (AUDIO_LEVEL, SDES_MID)
        if uri in section.extensions
    ]
    lines += [
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{section.opus_pt} opus/48000/2",
        f"a=fmtp:{section.opus_pt} {_FMTP}",
    ]
    if sends:
        assert slot is not None
        lines += [
            f"a=ssrc:{slot.ssrc} cname:{slot.stream_id}",
            f"a=ssrc:{slot.ssrc} msid:{slot.stream_id} {slot.track_sid}",
        ]
    return lines
