"""Reads an SDP offer of libwebrtc.

In single-peer-connection mode the client always offers. Its sections are ``sendonly`` (a track it
publishes), ``recvonly`` or ``inactive`` (a slot for a track it receives), video (left idle) and one
``application`` section (data channels).
"""

import re
from dataclasses import dataclass, field

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SDES_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_MAX_SECTIONS = 256
_OPUS = re.compile(r"(\d+) opus/48000/2$")
_VIDEO = re.compile(r"(\d+) (\w+/90000)$")
_EXTMAP = re.compile(r"(\d+)(?:/\w+)? (\S+)")


@dataclass(slots=True)
class Section:
    """One ``m=`` section.

    Parameters:
        kind: ``audio``, ``video`` or ``application``.
        opus_pt: Payload type of Opus, ``None`` if it is not offered.
        video: Payload type and name of the first video codec: ``("96", "VP8/90000")``.
        extensions: Header extension numbers by URI.
        ssrcs: What the client sends with.
        track_id: Second word of ``a=msid``: the client id of a published track.
    """

    kind: str
    port: int
    mid: str = ""
    direction: str = "sendrecv"
    opus_pt: int | None = None
    video: tuple[str, str] | None = None
    extensions: dict[str, int] = field(default_factory=dict)
    ssrcs: list[int] = field(default_factory=list)
    track_id: str = ""

    @property
    def sends(self) -> bool:
        """The client sends media here."""
        return self.port != 0 and self.direction in ("sendonly", "sendrecv")

    @property
    def receives_audio(self) -> bool:
        """The client can be sent a track here."""
        return (
            self.kind == "audio"
            and self.port != 0
            and self.opus_pt is not None
            and self.direction == "recvonly"
        )


@dataclass(slots=True)
class Offer:
    """What the exchange reads of an offer; ``fingerprint`` is upper-case hex with colons."""

    ufrag: str = ""
    pwd: str = ""
    fingerprint: str = ""
    sections: list[Section] = field(default_factory=list)

    def extension(self, uri: str) -> int:
        """Return the number of a header extension, 0 if no audio section names it."""
        for section in self.sections:
            if section.kind == "audio" and section.extensions:
                return section.extensions.get(uri, 0)
        return 0


def parse_offer(text: str) -> Offer:
    """Read an offer.

    Raises:
        ValueError: If it lacks ICE credentials, a fingerprint or media, or a number is none.
    """
    offer = Offer()
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            words = line[2:].split(" ")
            if len(words) < 2 or len(offer.sections) >= _MAX_SECTIONS:
                raise ValueError(f"bad media line {line[:80]!r}")
            offer.sections.append(Section(words[0], int(words[1])))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            _attribute(offer, name, value)
    if not (offer.ufrag and offer.pwd and offer.fingerprint and offer.sections):
        raise ValueError("offer lacks ICE credentials, a fingerprint or media")
    return offer


def _attribute(offer: Offer, name: str, value: str) -> None:
    match name:
        case "ice-ufrag":
            offer.ufrag = value
        case "ice-pwd":
            offer.pwd = value
        case "fingerprint":
            offer.fingerprint = value.partition(" ")[2].upper()
        case _ if offer.sections:
            _section_attribute(offer.sections[-1], name, value)


def _section_attribute(section: Section, name: str, value: str) -> None:
    if name in _DIRECTIONS:
        section.direction = name
    elif name == "mid":
        section.mid = value
    elif name == "msid":
        section.track_id = value.partition(" ")[2]
    elif name == "ssrc":
        ssrc = int(value.partition(" ")[0])
        if ssrc not in section.ssrcs:
            section.ssrcs.append(ssrc)
    elif name == "rtpmap" and (match := _OPUS.match(value)):
        section.opus_pt = int(match[1])
    elif name == "rtpmap" and section.video is None and (match := _VIDEO.match(value)):
        section.video = (match[1], match[2])
    elif name == "extmap" and (match := _EXTMAP.match(value)):
        section.extensions[match[2]] = int(match[1])
