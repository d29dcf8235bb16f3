"""Where phones can be reached: what a registrar keeps (RFC 3261 §10.3). No sockets, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from local.sip.errors import SipParseError
from local.sip.message import Request
from local.sip.uri import Address, NameAddr, SipUri

_MAX_BINDINGS = 10


@dataclass(frozen=True)
class Binding:
    """One place where a phone is.

    Parameters:
        contact: Its Contact URI as it wrote it.
        target: Where calls for it go: the Contact at the address its packets came from.
        q: Its priority, 0 to 1; the highest is called.
        call_id: Of the REGISTER.
        cseq: Of the REGISTER.
        expires_at: When it is forgotten, on the caller's clock in seconds.
    """

    contact: str
    target: str
    q: float
    call_id: str
    cseq: int
    expires_at: float


@dataclass(frozen=True)
class Outcome:
    """What a registrar answers; ``headers`` are those beside the copied ones."""

    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...] = ()


class Bindings:
    """The contacts of each address of record; a REGISTER counts whole or not at all."""

    def __init__(self, *, min_secs: int = 10, default_secs: int = 600, max_secs: int = 3600):
        """Initialize without contacts.

        Args:
            min_secs: A shorter life is refused with 423.
            default_secs: Life of a contact that asks for none.
            max_secs: A longer one is cut to this.
        """
        self._min, self._default, self._max = min_secs, default_secs, max_secs
        self._of: dict[str, dict[str, Binding]] = {}

    def update(self, record: str, request: Request, source: Address, now: float) -> Outcome:
        """Carry out a REGISTER whose sender has been proven.

        Args:
            record: The address of record.
            request: The REGISTER.
            source: Where it came from.
            now: The clock in seconds.
        """
        known = {binding.contact: binding for binding in self.contacts(record, now)}
        try:
            changed = self._changed(known, request, source, now)
        except SipParseError as error:
            return Outcome(400, f"Bad Request: {error}")
        except _Brief:
            return Outcome(423, "Interval Too Brief", (("Min-Expires", str(self._min)),))
        except _OutOfOrder:
            return Outcome(500, "CSeq out of order")
        kept = sorted(changed.values(), key=lambda b: b.expires_at)[-_MAX_BINDINGS:]
        self._of[record] = {binding.contact: binding for binding in kept}
        return Outcome(200, "OK", tuple(self._shown(record, now)))

    def contacts(self, record: str, now: float) -> list[Binding]:
        """Where an address of record can be reached: the highest q first, then the newest."""
        living = [b for b in self._of.get(record, {}).values() if b.expires_at > now]
        return sorted(living, key=lambda binding: (-binding.q, -binding.expires_at))

    def _changed(
        self, known: Mapping[str, Binding], request: Request, source: Address, now: float
    ) -> dict[str, Binding]:
        asked = request.headers.all("Contact")
        common = _seconds(request.headers.get("Expires") or str(self._default))
        changed = dict(known)
        if "*" in asked:
            if asked != ["*"] or common != 0 or "Expires" not in request.headers:
                raise SipParseError("'*' goes alone and with Expires: 0")
            asked = []
            for contact in known:
                _remove(changed, contact, request)
        for value in asked:
            address = NameAddr.parse(value)
            contact = SipUri.parse(address.uri).bare()
            wanted = dict(address.params).get("expires")
            life = _seconds(wanted) if wanted else common
            if life == 0:
                _remove(changed, contact, request)
                continue
            if life < self._min:
                raise _Brief
            _in_order(changed.get(contact), request)
            changed[contact] = Binding(
                contact,
                _reached(contact, request, source),
                _priority(dict(address.params).get("q")),
                request.call_id,
                request.cseq,
                now + min(life, self._max),
            )
        return changed

    def _shown(self, record: str, now: float) -> Iterable[tuple[str, str]]:
        for binding in self.contacts(record, now):
            left = round(binding.expires_at - now)
            yield "Contact", f"<{binding.contact}>;q={binding.q:g};expires={left}"


class _Brief(Exception):
    """A life shorter than the shortest."""


class _OutOfOrder(Exception):
    """A REGISTER that an earlier one overtook (RFC 3261 §10.3 step 7)."""


def _in_order(known: Binding | None, request: Request) -> None:
    if known and known.call_id == request.call_id and request.cseq <= known.cseq:
        raise _OutOfOrder


def _remove(changed: dict[str, Binding], contact: str, request: Request) -> None:
    _in_order(changed.get(contact), request)
    changed.pop(contact, None)


def _reached(contact: str, request: Request, source: Address) -> str:
    """The contact at the packet's source: behind a NAT, or by another name, it says the wrong one.

    A request that came through a proxy (two Vias) keeps what its phone wrote.
    """
    uri = SipUri.parse(contact)
    if len(request.headers.all("Via")) > 1:
        return contact
    return replace(uri, host=source[0], port=source[1]).bare()


def _seconds(text: str) -> int:
    """A delta-seconds value; RFC 3261 §20.19 takes a malformed one as 3600."""
    return min(int(text), 2**31) if text.isascii() and text.isdecimal() else 3600


def _priority(text: str | None) -> float:
    try:
        return min(1.0, max(0.0, float(text or 1.0)))
    except ValueError:
        return 1.0
