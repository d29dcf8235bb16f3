"""The beginning of a join: is the request whole, and may its sender enter?"""

import base64
import binascii
import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from google.protobuf.message import DecodeError
from livekit.protocol import models
from livekit.protocol import rtc as pb

from local.exchange.participant import Info
from local.exchange.tokens import Claims, TokenError, read_token

MAX_JOIN_BYTES = 1 << 20
_MAX_NAME = 256
_KINDS: Mapping[str, Info.Kind] = {
    "ingress": Info.INGRESS,
    "egress": Info.EGRESS,
    "sip": Info.SIP,
    "agent": Info.AGENT,
    "connector": Info.CONNECTOR,
}


class JoinError(Exception):
    """A join that is refused; ``text`` is what the SDK shows."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Join:
    """A join that may go on."""

    claims: Claims
    request: pb.JoinRequest
    room: str

    @property
    def kind(self) -> Info.Kind:
        """Kind of participant the token names."""
        return _KINDS.get(self.claims.kind, Info.STANDARD)

    @property
    def permission(self) -> models.ParticipantPermission:
        """What the token allows; what it does not name is allowed as in livekit-server."""
        video = self.claims.video
        can_publish = _flag(video, "canPublish", True)
        return models.ParticipantPermission(
            can_subscribe=_flag(video, "canSubscribe", True),
            can_publish=can_publish,
            can_publish_sources=_publishable(video.get("canPublishSources")),
            can_publish_data=_flag(video, "canPublishData", can_publish),
            hidden=_flag(video, "hidden", False),
            recorder=_flag(video, "recorder", False),
            agent=_flag(video, "agent", False),
            can_update_metadata=_flag(video, "canUpdateOwnMetadata", False),
        )


def check_join(request: web.Request, keys: Mapping[str, str]) -> Join:
    """Read and judge a request to ``/rtc/v1``.

    Raises:
        JoinError: With the status and text of livekit-server.
    """
    try:
        claims = read_token(
            request.headers.get("Authorization"), request.query.get("access_token"), keys
        )
    except TokenError as exc:
        raise JoinError(exc.status, exc.text) from exc
    if claims is None or not claims.video.get("roomJoin"):
        raise JoinError(401, "permissions denied")
    if not claims.identity:
        raise JoinError(400, "identity cannot be empty")
    room = str(claims.video.get("room") or request.query.get("room", ""))
    if not room or len(room) > _MAX_NAME:
        raise JoinError(400, "no room name" if not room else "room name is too long")
    if "join_request" not in request.query:
        raise JoinError(400, "join_request is required")
    return Join(claims, decode_join(request.query["join_request"]), room)


def decode_join(text: str) -> pb.JoinRequest:
    """Decode ``?join_request=``: base64url of a wrapper around a message that may be gzipped.

    Raises:
        JoinError: If it is malformed or unpacks to more than 1 MiB.
    """
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        wrapped = pb.WrappedJoinRequest.FromString(raw)
        body = wrapped.join_request
        if wrapped.compression == pb.WrappedJoinRequest.GZIP:
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
                body = file.read(MAX_JOIN_BYTES + 1)
        if len(body) > MAX_JOIN_BYTES:
            raise JoinError(400, "join request too large")
        return pb.JoinRequest.FromString(body)
    except (binascii.Error, ValueError, DecodeError, OSError, EOFError, zlib.error) as exc:
        raise JoinError(400, "cannot unmarshal join request") from exc


def _publishable(names: object) -> list[str]:
    """Names of ``TrackSource``; none allows all."""
    known = set(models.TrackSource.keys())
    given = names if isinstance(names, list) else []
    return [name for name in (str(n).upper() for n in given) if name in known]


def _flag(video: Mapping[str, Any], key: str, default: bool) -> bool:
    value = video.get(key)
    return default if value is None else bool(value)
