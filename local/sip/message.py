"""SIP requests and responses: bytes to values and back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from local.sip.errors import SipParseError
from local.sip.headers import Headers
from local.sip.uri import Address, NameAddr, Params, format_params, is_port, parse_params

MAGIC_COOKIE = "z9hG4bK"
_FOLD = re.compile(rb"\r?\n[ \t]+")
_LINE_END = re.compile(rb"\r?\n")


@dataclass
class _Message:
    headers: Headers = field(default_factory=Headers, kw_only=True)
    body: bytes = field(default=b"", kw_only=True)

    @property
    def call_id(self) -> str:
        return self.headers.get("Call-ID")

    @property
    def cseq(self) -> int:
        return int(self.headers.get("CSeq").split()[0])

    @property
    def cseq_method(self) -> str:
        return self.headers.get("CSeq").split()[1]

    @property
    def from_tag(self) -> str:
        return NameAddr.parse(self.headers.get("From")).tag

    @property
    def to_tag(self) -> str:
        return NameAddr.parse(self.headers.get("To")).tag

    @property
    def via(self) -> "Via":
        """The top Via."""
        return Via.parse(self.headers.get("Via"))

    def _serialise(self, start_line: str) -> bytes:
        if "\r" in start_line or "\n" in start_line:
            raise ValueError(f"{start_line!r} breaks the line")
        lines = [start_line]
        lines += [f"{k}: {v}" for k, v in self.headers if k.lower() != "content-length"]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass
class Request(_Message):
    """A request.

    Parameters:
        method: Upper case, ``INVITE``.
        uri: Request-URI.
        headers: All fields but Content-Length, which is counted when sent.
        body: Mostly SDP.
    """

    method: str
    uri: str

    def serialise(self) -> bytes:
        """The datagram."""
        return self._serialise(f"{self.method} {self.uri} SIP/2.0")


@dataclass
class Response(_Message):
    """A response; ``phrase`` is free text and may be empty."""

    status: int
    phrase: str = ""

    def serialise(self) -> bytes:
        """The datagram."""
        return self._serialise(f"SIP/2.0 {self.status} {self.phrase}")


@dataclass(frozen=True)
class Via:
    """One hop: who sent the message and where the response goes (RFC 3261 §20.42, RFC 3581)."""

    transport: str
    host: str
    port: int | None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one Via value.

        Raises:
            SipParseError: If it names no protocol or no sender.
        """
        match = re.match(r"SIP\s*/\s*2\.0\s*/\s*(\S+)\s+([^;\s]+)\s*(.*)$", text, re.I | re.S)
        if not match:
            raise SipParseError(f"Via {text!r} names no protocol or no sender")
        transport, sent_by, tail = match.groups()
        host, _, port = sent_by.partition(":")
        if port and not is_port(port):
            raise SipParseError(f"Via {text!r}: the port is none")
        params = parse_params([part for part in tail.split(";") if part.strip()])
        return cls(transport.upper(), host, int(port) if port else None, params)

    def param(self, name: str) -> str:
        """A parameter's value; empty for a flag or when absent."""
        return next((value or "" for key, value in self.params if key == name), "")

    def received_from(self, source: Address) -> "Via":
        """What the receiver makes of it: ``received`` and, when asked for, ``rport`` filled in."""
        wants_port = any(key == "rport" for key, _ in self.params)
        params = tuple((k, v) for k, v in self.params if k not in ("received", "rport"))
        if wants_port:
            params = (*params, ("rport", str(source[1])), ("received", source[0]))
        elif self.host != source[0]:
            params = (*params, ("received", source[0]))
        return Via(self.transport, self.host, self.port, params)

    @property
    def reply_address(self) -> Address:
        """Where the response goes, once ``received_from`` has been applied (RFC 3581 §4)."""
        port = self.param("rport")
        return self.param("received") or self.host, int(port) if port else self.port or 5060

    @property
    def sent_by(self) -> str:
        """``host:port`` as the sender wrote it."""
        return f"{self.host}:{self.port or 5060}"

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"SIP/2.0/{self.transport} {self.host}{port}{format_params(self.params)}"


def parse_message(data: bytes) -> Request | Response:
    """Read a datagram.

    Raises:
        SipParseError: If it is no SIP message, is cut short or lacks what every message has.
    """
    data = data.lstrip(b"\r\n")
    split = re.search(rb"\r?\n\r?\n", data)
    if not split:
        raise SipParseError("no empty line behind the headers")
    head = _FOLD.sub(b" ", data[: split.start()])
    try:
        start, *lines = [line.decode() for line in _LINE_END.split(head)]
    except UnicodeDecodeError as e:
        raise SipParseError("headers are not UTF-8") from e
    headers = Headers()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise SipParseError(f"{line[:40]!r} is no header field")
        try:
            headers.add(name.strip(), value)
        except ValueError as e:
            raise SipParseError(str(e)) from e
    message = _start_line(start)
    message.headers = headers
    message.body = _body(data[split.end() :], headers)
    _check(message)
    return message


def build_response(
    request: Request,
    status: int,
    phrase: str,
    *,
    to_tag: str = "",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> Response:
    """The response to a request: Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6).

    Record-Route is copied into what makes a dialogue: 18x and 2xx of an INVITE.
    """
    response = Response(status, phrase, body=body)
    for name in ("Via", "Record-Route"):
        if name == "Via" or (request.method == "INVITE" and 100 < status < 300):
            for value in request.headers.all(name):
                response.headers.add(name, value)
    response.headers.add("From", request.headers.get("From"))
    to = request.headers.get("To")
    response.headers.add("To", f"{to};tag={to_tag}" if to_tag and not request.to_tag else to)
    response.headers.add("Call-ID", request.call_id)
    response.headers.add("CSeq", request.headers.get("CSeq"))
    response.headers.extend(headers)
    if body:
        response.headers.add("Content-Type", content_type)
    return response


def _start_line(line: str) -> Request | Response:
    parts = line.split(" ", 2)
    if len(parts) >= 2 and parts[0] == "SIP/2.0" and re.fullmatch(r"[1-6]\d\d", parts[1]):
        return Response(int(parts[1]), parts[2].strip() if len(parts) > 2 else "")
    if (
        len(parts) == 3
        and parts[2].strip() == "SIP/2.0"
        and re.fullmatch(r"[\w.!%*+`'~-]+", parts[0])
    ):
        return Request(parts[0], parts[1])
    raise SipParseError(f"{line[:40]!r} starts no SIP message")


def _body(rest: bytes, headers: Headers) -> bytes:
    length = headers.get("Content-Length", str(len(rest)))
    if not length.isdecimal() or int(length) > len(rest):
        raise SipParseError(f"Content-Length {length!r}, but {len(rest)} bytes came")
    return rest[: int(length)]


def _check(message: Request | Response) -> None:
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not message.headers.get(name):
            raise SipParseError(f"no {name} header")
    number, _, method = message.headers.get("CSeq").partition(" ")
    if not number.isdecimal() or int(number) >= 2**31 or not method.strip():
        raise SipParseError("CSeq is no number and method")
    if isinstance(message, Request) and method.strip() != message.method:
        raise SipParseError("CSeq names another method")
    _ = message.from_tag, message.to_tag, message.via
