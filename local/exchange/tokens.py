"""Access tokens: HS256 JWTs in LiveKit's form, refused with the real server's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

_LEEWAY_SECS = 60


class TokenError(Exception):
    """A token that is not accepted; ``text`` is what the client shows its user."""

    def __init__(self, text: str, status: int = 401):
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(slots=True)
class Claims:
    """What a token grants; ``video`` and ``sip`` keep the names of the wire (``roomJoin``)."""

    api_key: str = ""
    identity: str = ""
    name: str = ""
    kind: str = ""
    metadata: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    video: dict[str, Any] = field(default_factory=dict)
    sip: dict[str, Any] = field(default_factory=dict)
    room_config: dict[str, Any] | None = None

    def grants(self, grant: str, room: str | None = None) -> bool:
        """Tell whether a video grant is there, for ``room`` if one is named."""
        return bool(self.video.get(grant)) and (room is None or self.video.get("room") == room)


def read_token(
    header: str | None, query_token: str | None, keys: Mapping[str, str]
) -> Claims | None:
    """Verify the token of a request; ``None`` if it carries none.

    Args:
        header: Value of ``Authorization``.
        query_token: Value of ``?access_token=``.
        keys: API secrets by API key.

    Raises:
        TokenError: If the token is malformed, expired or not signed by one of ``keys``.
    """
    if header:
        if not header.startswith("Bearer "):
            raise TokenError("invalid authorization header. Must start with Bearer ")
        token = header[7:]
    elif query_token:
        token = query_token
    else:
        return None
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
    except jwt.PyJWTError as exc:
        raise TokenError("invalid authorization token") from exc
    if not (isinstance(issuer, str) and (secret := keys.get(issuer))):
        raise TokenError("invalid API key")
    return _claims(_verified(token, secret), issuer)


def _verified(token: str, secret: str) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            leeway=_LEEWAY_SECS,
            options={"verify_aud": False, "require": ["exp"]},
        )
    except jwt.ExpiredSignatureError as exc:
        reason = "token has invalid claims: token is expired"
        raise TokenError(f"invalid authorization token: {reason}") from exc
    except jwt.InvalidSignatureError as exc:
        reason = "token signature is invalid: signature is invalid"
        raise TokenError(f"invalid authorization token: {reason}") from exc
    except jwt.PyJWTError as exc:
        raise TokenError(f"invalid authorization token: {exc}") from exc


def _claims(body: dict[str, Any], issuer: str) -> Claims:
    def table(key: str) -> dict[str, Any]:
        value = body.get(key)
        return value if isinstance(value, dict) else {}

    return Claims(
        api_key=issuer,
        identity=str(body.get("sub") or body.get("identity") or ""),
        name=str(body.get("name") or ""),
        kind=str(body.get("kind") or ""),
        metadata=str(body.get("metadata") or ""),
        attributes={str(k): str(v) for k, v in table("attributes").items()},
        video=table("video"),
        sip=table("sip"),
        room_config=table("roomConfig") or None,
    )


def mint(claims: Claims, secret: str, *, now: float, ttl_secs: float) -> str:
    """Sign a token with these claims.

    Args:
        claims: What the token grants.
        secret: Secret of ``claims.api_key``.
        now: Unix time in seconds.
        ttl_secs: How long it may be used to join.
    """
    body: dict[str, Any] = {
        "iss": claims.api_key,
        "sub": claims.identity,
        "identity": claims.identity,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + ttl_secs),
        "name": claims.name,
        "kind": claims.kind,
        "metadata": claims.metadata,
        "attributes": claims.attributes,
        "video": claims.video,
    }
    if claims.sip:
        body["sip"] = claims.sip
    return jwt.encode(body, secret, algorithm="HS256")
