"""SIP URIs and the addresses in From, To, Contact and Route."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from urllib.parse import quote, unquote

from local.sip.errors import SipParseError

Address = tuple[str, int]
# RFC 3261 §25.1: what a user part may hold beside letters and digits.
_USER_MARKS = "-_.!~*'()&=+$,;?/"
Params = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class SipUri:
    """``sip:user@host:port;params?headers``; a ``tel:`` URI has a user and no host.

    Source: RFC 3261 §19.1, RFC 3966.
    """

    user: str
    host: str
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()
    scheme: str = "sip"

    @classmethod
    def parse(cls, text: str) -> "SipUri":
        """Read a URI.

        Raises:
            SipParseError: If it is no sip, sips or tel URI, or the port is no number.
        """
        scheme, colon, rest = text.strip().partition(":")
        scheme = scheme.lower()
        if not colon or scheme not in ("sip", "sips", "tel"):
            raise SipParseError(f"{text!r} is no sip:, sips: or tel: URI")
        if any(ord(char) < 32 for char in unquote(rest.partition("?")[0])):
            raise SipParseError(f"{text!r} hides control characters")
        rest, _, header_part = rest.partition("?")
        headers = tuple(
            (unquote(name), unquote(value))
            for name, _, value in (pair.partition("=") for pair in header_part.split("&") if pair)
        )
        if scheme == "tel":
            number, *params = rest.split(";")
            return cls(number, "", None, parse_params(params), headers, scheme)
        user, at, hostport = rest.rpartition("@")
        hostport, *params = hostport.split(";")
        host, _, port = hostport.partition(":")
        if not host or (port and not is_port(port)):
            raise SipParseError(f"{text!r} has no host or a port that is none")
        user = unquote(user.partition(":")[0]) if at else ""
        return cls(user, host, int(port) if port else None, parse_params(params), headers, scheme)

    @property
    def address(self) -> Address:
        """Where a request to this URI goes.

        Raises:
            SipParseError: If the host is no IPv4 address; names are not resolved here.
        """
        host = "127.0.0.1" if self.host == "localhost" else self.host
        try:
            return str(IPv4Address(host)), self.port or 5060
        except ValueError as e:
            raise SipParseError(f"{self.host!r} is no IPv4 address") from e

    def has_param(self, name: str) -> bool:
        """Whether the URI carries ``;name``."""
        return any(key == name for key, _ in self.params)

    def bare(self) -> str:
        """The URI without its ``?headers``, as a Request-URI has it."""
        if self.scheme == "tel":
            return f"tel:{self.user}{format_params(self.params)}"
        user = f"{quote(self.user, safe=_USER_MARKS)}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}:{user}{self.host}{port}{format_params(self.params)}"


@dataclass(frozen=True)
class NameAddr:
    """``"Display" <uri>;params``, the value of From, To, Contact, Route, Refer-To.

    Source: RFC 3261 §20.10, §25.1.
    """

    uri: str
    display: str = ""
    params: Params = field(default=())

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Read an address.

        Raises:
            SipParseError: If there is no URI in it, or a quote or bracket stays open.
        """
        text = text.strip()
        display = ""
        if text.startswith('"'):
            end = _closing_quote(text)
            display, text = text[1:end].replace('\\"', '"').replace("\\\\", "\\"), text[end + 1 :]
        before, bracket, rest = text.partition("<")
        if bracket:
            uri, closing, tail = rest.partition(">")
            if not closing:
                raise SipParseError(f"{text!r}: '<' without '>'")
            display = display or before.strip()
        else:
            uri, _, tail = text.partition(";")
        if not uri.strip():
            raise SipParseError(f"{text!r} holds no URI")
        params = parse_params([part for part in tail.split(";") if part.strip()])
        return cls(uri.strip(), display, params)

    @property
    def tag(self) -> str:
        """The dialogue tag, or an empty string."""
        return next((value or "" for key, value in self.params if key == "tag"), "")

    def with_tag(self, tag: str) -> "NameAddr":
        """The same address with this tag."""
        params = tuple((k, v) for k, v in self.params if k != "tag")
        return NameAddr(self.uri, self.display, (*params, ("tag", tag)) if tag else params)

    def __str__(self) -> str:
        escaped = self.display.replace("\\", "\\\\").replace('"', '\\"')
        display = f'"{escaped}" ' if self.display else ""
        return f"{display}<{self.uri}>{format_params(self.params)}"


def parse_params(parts: list[str]) -> Params:
    """``["a=1", "lr"]`` as pairs with lower-case names; a flag has the value None."""
    pairs = []
    for part in parts:
        name, equals, value = part.strip().partition("=")
        if name:
            pairs.append((name.strip().lower(), value.strip() if equals else None))
    return tuple(pairs)


def format_params(params: Params) -> str:
    """``;a=1;lr``."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def is_port(text: str) -> bool:
    """Whether a text is a UDP port to send to."""
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65536


def user_of(address: str) -> str:
    """The user part of a From, To or Request-URI value: ``+15550100``."""
    return SipUri.parse(NameAddr.parse(address).uri).user


def _closing_quote(text: str) -> int:
    position = 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == '"':
            return position
        position += 1
    raise SipParseError(f"{text!r}: quote without an end")
