"""Digest authentication, both sides (RFC 3261 §22, RFC 7616, RFC 8760)."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from local.sip.headers import split_list
from local.sip.message import Response

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
Verdict = Literal["accepted", "missing", "stale", "refused"]


@dataclass(frozen=True)
class Credentials:
    """A user and the password, which never appears in a representation."""

    user: str
    password: str = field(repr=False)


class DigestClient:
    """Answers challenges: one try each, a second only when the nonce was stale."""

    def __init__(self, credentials: Credentials):
        self._credentials = credentials
        self._header = ""
        self._challenge: dict[str, str] = {}
        self._count = 0
        self._tries = 0

    def accept_challenge(self, response: Response) -> bool:
        """Take the challenge of a 401 or 407; False if it is no use to try (again)."""
        name = "Proxy-Authenticate" if response.status == 407 else "WWW-Authenticate"
        for value in response.headers.all(name):
            challenge = parse_digest(value)
            known = challenge.get("algorithm", "MD5").upper() in _HASHES
            qops = challenge.get("qop", "auth").lower().replace(" ", "").split(",")
            if "nonce" not in challenge or not known or "auth" not in qops:
                continue
            stale = challenge.get("stale", "").lower() == "true"
            if self._tries and not (stale and self._tries == 1):
                return False
            self._tries += 1
            self._challenge, self._count = challenge, 0
            self._header = name.replace("Authenticate", "Authorization")
            self._header = self._header.replace("WWW-", "")
            return True
        return False

    def accepted(self) -> None:
        """The far end let the request pass: later challenges get a try of their own."""
        self._tries = 0

    def authorization(self, method: str, uri: str) -> tuple[str, str] | None:
        """Header name and value for a request, or None before the first challenge."""
        if not self._challenge:
            return None
        self._count += 1
        c = self._challenge
        algorithm = c.get("algorithm", "MD5")
        fields = {"username": self._credentials.user, "realm": c.get("realm", "")}
        fields |= {"nonce": c["nonce"], "uri": uri}
        count, cnonce = f"{self._count:08x}", secrets.token_hex(8)
        qop = "auth" if "qop" in c else ""
        fields["response"] = _response(
            algorithm, fields, self._credentials.password, method, qop, count, cnonce
        )
        parts = [f'{name}="{_escape(value)}"' for name, value in fields.items()]
        if "algorithm" in c:
            parts.append(f"algorithm={algorithm}")
        if qop:
            parts += ["qop=auth", f"nc={count}", f'cnonce="{cnonce}"']
        if "opaque" in c:
            parts.append(f'opaque="{_escape(c["opaque"])}"')
        return self._header, "Digest " + ", ".join(parts)


class DigestServer:
    """Challenges callers and checks their answers.

    Nonces are random, remembered, and age; each count of a nonce is good once. A wrong user and
    a wrong password get the same verdict.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        *,
        realm: str = "switchboard",
        algorithms: tuple[str, ...] = ("MD5",),
        qop: bool = True,
        nonce_secs: float = 60.0,
    ):
        """Initialize the server.

        Args:
            users: Passwords by user name.
            realm: Shown to the caller.
            algorithms: ``MD5`` and ``SHA-256``, the preferred first; one challenge header each.
            qop: Whether to ask for ``qop=auth``.
            nonce_secs: How long a nonce is good.
        """
        self._users, self._realm, self._algorithms = dict(users), realm, algorithms
        self._qop, self._nonce_secs = qop, nonce_secs
        self._nonces: dict[str, tuple[float, int]] = {}

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """Values for WWW- or Proxy-Authenticate."""
        self._nonces = {n: v for n, v in self._nonces.items() if now - v[0] < 2 * self._nonce_secs}
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = (now, 0)
        tail = (', qop="auth"' if self._qop else "") + (", stale=true" if stale else "")
        realm = _escape(self._realm)
        return [
            f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}{tail}'
            for algorithm in self._algorithms
        ]

    def check(self, authorization: str, method: str, uri: str, now: float) -> Verdict:
        """Judge the value of Authorization or Proxy-Authorization.

        Args:
            authorization: Header value; empty if there was none.
            method: Of the request.
            uri: Request-URI, which the digest must name.
            now: Monotonic time.
        """
        if not authorization:
            return "missing"
        fields = parse_digest(authorization)
        algorithm = fields.get("algorithm", "MD5")
        if algorithm.upper() not in self._algorithms or fields.get("realm") != self._realm:
            return "refused"
        if fields.get("uri") != uri or bool(fields.get("qop")) != self._qop:
            return "refused"
        password = self._users.get(fields.get("username", ""))
        expected = _response(
            algorithm,
            fields,
            password if password is not None else secrets.token_hex(8),
            method,
            fields.get("qop", ""),
            fields.get("nc", ""),
            fields.get("cnonce", ""),
        )
        if not hmac.compare_digest(expected.encode(), fields.get("response", "").encode()):
            return "refused"
        if password is None:
            return "refused"
        return self._use_nonce(fields.get("nonce", ""), fields.get("nc", ""), now)

    def _use_nonce(self, nonce: str, count: str, now: float) -> Verdict:
        made_at, used = self._nonces.get(nonce, (None, 0))
        if made_at is None or now - made_at > self._nonce_secs:
            return "stale"
        # Without qop there is no count, and a nonce is good for one request.
        counted = re.fullmatch(r"[0-9a-fA-F]{8}", count)
        number = (int(count, 16) if counted else 0) if self._qop else 1
        if number <= used:
            return "stale"
        self._nonces[nonce] = (made_at, number)
        return "accepted"


def parse_digest(value: str) -> dict[str, str]:
    """The fields of a challenge or an answer, names in lower case; empty if it is no Digest."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    fields = {}
    for part in split_list(rest):
        name, _, text = part.partition("=")
        text = text.strip()
        if len(text) >= 2 and text[0] == text[-1] == '"':
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        fields[name.strip().lower()] = text
    return fields


def _response(
    algorithm: str,
    fields: Mapping[str, str],
    password: str,
    method: str,
    qop: str,
    count: str,
    cnonce: str,
) -> str:
    def digest(text: str) -> str:
        return _HASHES[algorithm.upper()](text.encode()).hexdigest()

    secret = digest(f"{fields.get('username', '')}:{fields.get('realm', '')}:{password}")
    request = digest(f"{method}:{fields.get('uri', '')}")
    middle = f"{count}:{cnonce}:{qop}:" if qop else ""
    return digest(f"{secret}:{fields.get('nonce', '')}:{middle}{request}")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
