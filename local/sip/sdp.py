"""Offer and answer of one audio stream (RFC 4566, RFC 3264)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from local.sip.errors import SipParseError
from local.sip.uri import Address, is_port

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
PAYLOADS = {"PCMU": 0, "PCMA": 8}
EVENT_PAYLOAD = 101
_STATIC_NAMES = {0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000"}
# What the answerer may do, by what the offerer does (RFC 3264 §6.1).
ANSWER_TO: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True)
class Sdp:
    """The far end's description.

    Parameters:
        address: Where it wants its RTP.
        codecs: Its audio codecs in its order, ``(payload, name)``, only those at 8 kHz clock.
        event_payload: Payload number of telephone-event/8000, if offered.
        direction: As the far end sees it; an address of 0.0.0.0 is the old form of sendonly.
        media_lines: All ``m=`` lines; an answer has as many.
        media_index: Which of them is the audio stream.
        rtcp_mux: Whether RTCP may share the port.
    """

    address: Address
    codecs: tuple[tuple[int, str], ...]
    event_payload: int | None
    direction: Direction
    media_lines: tuple[str, ...]
    media_index: int
    rtcp_mux: bool = False


@dataclass(frozen=True)
class Negotiated:
    """What both ends agreed on.

    Parameters:
        codec: ``PCMU`` or ``PCMA``.
        payload: Its payload number.
        event_payload: Payload number of telephone-event, or None.
        remote: Where RTP goes.
        direction: What this end does.
        accepted: Every payload number and codec the far end may send.
    """

    codec: str
    payload: int
    event_payload: int | None
    remote: Address
    direction: Direction
    accepted: tuple[tuple[int, str], ...] = ()

    @property
    def sends(self) -> bool:
        """Whether this end sends audio."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """Whether the far end sends audio."""
        return self.direction in ("sendrecv", "recvonly")


def parse_sdp(body: bytes) -> Sdp:
    """Read the first audio stream over plain RTP.

    Raises:
        SipParseError: If there is none, or a line is broken.
    """
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
    media = tuple(lines[i][2:].strip() for i in starts)
    pattern = r"audio ([1-9]\d*)(?:/\d+)? RTP/AVPF? ([\d ]+)"
    found = [(index, m) for index, line in enumerate(media) if (m := re.fullmatch(pattern, line))]
    if not found:
        raise SipParseError("no audio stream over RTP/AVP")
    index, match = found[0]
    session = lines[: starts[0]]
    end = starts[index + 1] if index + 1 < len(starts) else len(lines)
    stream = lines[starts[index] : end]
    host = _connection(stream) or _connection(session)
    if host is None or not is_port(match[1]):
        raise SipParseError("no IPv4 connection address, or a port that is none")
    codecs, event = _codecs(stream, [int(number) for number in match[2].split()])
    direction = _direction(stream) or _direction(session) or "sendrecv"
    if host == "0.0.0.0":
        direction = "inactive" if direction in ("recvonly", "inactive") else "sendonly"
    mux = "a=rtcp-mux" in stream
    return Sdp((host, int(match[1])), codecs, event, direction, media, index, mux)


def negotiate(
    remote: Sdp, own: Sequence[str], *, own_order: bool = False, direction: Direction = "sendrecv"
) -> Negotiated:
    """Choose one codec.

    Args:
        remote: The far end's offer or answer.
        own: Own codecs, the preferred first.
        own_order: Whether the own order decides and not the offer's.
        direction: The most this end wants to do.

    Raises:
        SipParseError: If there is no common codec.
    """
    common = [(payload, name) for payload, name in remote.codecs if name in own]
    if not common:
        raise SipParseError(f"no common codec; offered {[name for _, name in remote.codecs]}")
    if own_order:
        common.sort(key=lambda pair: own.index(pair[1]))
    payload, name = common[0]
    allowed = ANSWER_TO[remote.direction]
    sends = all(d in ("sendrecv", "sendonly") for d in (allowed, direction))
    receives = all(d in ("sendrecv", "recvonly") for d in (allowed, direction))
    both: dict[tuple[bool, bool], Direction] = {
        (True, True): "sendrecv",
        (True, False): "sendonly",
        (False, True): "recvonly",
        (False, False): "inactive",
    }
    result = both[sends, receives]
    event = remote.event_payload
    return Negotiated(name, payload, event, remote.address, result, tuple(common))


def render_sdp(
    address: Address,
    codecs: Sequence[tuple[int, str]],
    event_payload: int | None,
    *,
    direction: Direction = "sendrecv",
    session_id: int = 1,
    version: int = 1,
    name: str = "switchboard",
    answer_to: Sdp | None = None,
) -> bytes:
    """An offer, or the answer to ``answer_to`` with every other stream refused."""
    payloads = [payload for payload, _ in codecs]
    if event_payload is not None:
        payloads.append(event_payload)
    stream = [f"m=audio {address[1]} RTP/AVP {' '.join(map(str, payloads))}"]
    stream += [f"a=rtpmap:{payload} {codec}/8000" for payload, codec in codecs]
    if event_payload is not None:
        stream.append(f"a=rtpmap:{event_payload} telephone-event/8000")
        stream.append(f"a=fmtp:{event_payload} 0-15")
    stream += ["a=ptime:20", f"a={direction}"]
    if answer_to and answer_to.rtcp_mux:
        stream.append("a=rtcp-mux")
    lines = [
        "v=0",
        f"o=- {session_id} {version} IN IP4 {address[0]}",
        f"s={name}",
        f"c=IN IP4 {address[0]}",
        "t=0 0",
    ]
    for index, media in enumerate(answer_to.media_lines if answer_to else ("",)):
        if answer_to and index != answer_to.media_index:
            kind, _, rest = media.partition(" ")
            lines.append(f"m={kind} 0 {rest.partition(' ')[2]}")
        else:
            lines += stream
    return ("\r\n".join(lines) + "\r\n").encode()


def _connection(lines: list[str]) -> str | None:
    for line in lines:
        match = re.match(r"c=IN IP4 (\d+\.\d+\.\d+\.\d+)", line)
        if match and all(int(part) < 256 for part in match[1].split(".")):
            return match[1]
    return None


def _direction(lines: list[str]) -> Direction | None:
    for line in lines:
        match = re.fullmatch(r"a=(sendrecv|sendonly|recvonly|inactive)\s*", line)
        if match:
            return match[1]  # pyright: ignore[reportReturnType]
    return None


def _codecs(
    stream: list[str], payloads: list[int]
) -> tuple[tuple[tuple[int, str], ...], int | None]:
    names = dict(_STATIC_NAMES)
    for line in stream:
        match = re.match(r"a=rtpmap:(\d+) ([\w.-]+/\d+)", line)
        if match:
            names[int(match[1])] = match[2].upper()
    codecs, event = [], None
    for payload in payloads:
        name, _, clock = names.get(payload, "").partition("/")
        if name == "TELEPHONE-EVENT" and clock == "8000":
            event = payload if event is None else event
        elif name and clock == "8000" and name != "TELEPHONE-EVENT":
            codecs.append((payload, name))
    return tuple(codecs), event
