"""What is wrong with trunks and rules that are written correctly."""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from server.provision_file import UNSET, DispatchRule, InboundTrunk, OutboundTrunk, Telephony
from services.problem import Problem

NARROWEST_OPEN_IPV4, NARROWEST_OPEN_IPV6 = 7, 15
"""Networks with so long a prefix, or a shorter one, are as good as everybody."""
HEADER_NAME = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,255}")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,1024}")
NUMBER = re.compile(r"\+?[A-Za-z0-9*#._-]{1,64}")
ADDRESS = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
# fmt: off
FORBIDDEN_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "allow", "allow-events", "call-id", "contact",
    "content-encoding", "content-length", "content-type", "cseq", "event", "expires", "from",
    "max-forwards", "record-route", "refer-to", "reply-to", "to", "via", "k", "l", "m", "o", "r",
    "t", "u", "v",
})
# fmt: on
"""Source: livekit/protocol ``livekit/sip_validation.go``; ``to`` and ``via`` are about to be."""


def telephony_problems(telephony: Telephony) -> Iterator[Problem]:
    """Everything LiveKit would refuse, and what it would allow to anyone."""
    yield from _names("inbound_trunks", telephony.inbound_trunks)
    yield from _names("outbound_trunks", telephony.outbound_trunks)
    yield from _names("dispatch_rules", telephony.dispatch_rules)
    for trunk in telephony.inbound_trunks:
        place = f"inbound trunk {trunk.name}"
        yield from _trunk(place, trunk)
        yield from _inbound(place, trunk)
    for trunk in telephony.outbound_trunks:
        place = f"outbound trunk {trunk.name}"
        yield from _trunk(place, trunk)
        yield from _outbound(place, trunk)
    known = {trunk.name for trunk in telephony.inbound_trunks}
    for rule in telephony.dispatch_rules:
        yield from _rule(f"dispatch rule {rule.name}", rule, known)
    yield from _unanswered(telephony)
    yield from _trunk_conflicts(telephony.inbound_trunks)
    yield from _rule_conflicts(telephony.dispatch_rules)


def _names(kind: str, items: Sequence[InboundTrunk | OutboundTrunk | DispatchRule]):
    seen: set[str] = set()
    for item in items:
        if not item.name.strip():
            yield Problem(kind, "name", "is empty", "name it: that is how it is found again")
        elif item.name in seen:
            yield Problem(kind, item.name, "is there twice", "give each a name of its own")
        seen.add(item.name)


def _trunk(place: str, trunk: InboundTrunk | OutboundTrunk) -> Iterator[Problem]:
    if bool(trunk.username) != bool(trunk.password.get_secret_value()):
        absent = "password" if trunk.username else "username"
        message = "is missing: LiveKit asks for no digest at all when one of the two is"
        yield Problem(place, absent, message, "give both or neither")
    for number in _set(trunk.numbers):
        if not NUMBER.fullmatch(number):
            yield Problem(place, "numbers", f"{number!r} is no number", "write '+15550100'")
    for key, names in (
        ("headers", trunk.headers),
        ("headers_to_attributes", trunk.headers_to_attributes),
        ("attributes_to_headers", trunk.attributes_to_headers.values()),
    ):
        yield from _headers(place, key, names)
    for name, value in trunk.headers.items():
        if value != UNSET and not HEADER_VALUE.fullmatch(value):
            remedy = "use at most 1024 printable ASCII characters"
            yield Problem(place, f"headers.{name}", "has a value no header can have", remedy)


def _headers(place: str, key: str, names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if not HEADER_NAME.fullmatch(name):
            yield Problem(place, key, f"{name!r} is no header name", "write X-Name")
        elif key == "headers" and name.lower() in FORBIDDEN_HEADERS:
            yield Problem(place, key, f"{name} belongs to LiveKit itself", "use a name of your own")


def _inbound(place: str, trunk: InboundTrunk) -> Iterator[Problem]:
    for address in _set(trunk.allowed_addresses):
        network = _network(address)
        if network is None:
            message = f"{address!r} is no IP address or network"
            remedy = "resolve it: LiveKit compares a name with the From header, which anyone writes"
            yield Problem(place, "allowed_addresses", message, remedy)
        elif _is_everybody(network) and not trunk.open:
            remedy = "name the carrier's networks, or write `open: true`"
            yield Problem(place, "allowed_addresses", f"{address} is nearly everybody", remedy)
    guarded = trunk.allowed_addresses or trunk.username or trunk.password.get_secret_value()
    if not guarded and not trunk.open:
        message = "has neither allowed_addresses nor username and password: anyone may call in"
        remedy = "name the carrier's addresses, or write `open: true` if that is meant"
        yield Problem(place, "", message, remedy)
    if trunk.open and not guarded and not trunk.numbers:
        yield Problem(place, "numbers", "are missing: LiveKit refuses such a trunk", "name them")
    for number in _set(trunk.allowed_numbers):
        if not NUMBER.fullmatch(number):
            yield Problem(place, "allowed_numbers", f"{number!r} is no number", "write '+15550100'")


def _outbound(place: str, trunk: OutboundTrunk) -> Iterator[Problem]:
    for key, value in (("address", trunk.address), ("from_host", trunk.from_host)):
        if UNSET in value or (key == "from_host" and not value):
            continue
        found = ADDRESS.fullmatch(value)
        if not found or (found[2] and int(found[2][1:]) > 65535):
            message = f"{value!r} is no host or host:port"
            remedy = "write it without sip: and without ;transport=…, which has a key of its own"
            yield Problem(place, key, message, remedy)
    if not trunk.numbers:
        remedy = "name the caller ids that the carrier accepts"
        yield Problem(place, "numbers", "are missing: LiveKit refuses such a trunk", remedy)
    if trunk.country and not re.fullmatch(r"[A-Z]{2}", trunk.country):
        yield Problem(place, "country", f"{trunk.country!r} is no country code", "write US or DE")


def _rule(place: str, rule: DispatchRule, known: set[str]) -> Iterator[Problem]:
    kinds = [rule.direct, rule.individual, rule.callee]
    if sum(kind is not None for kind in kinds) != 1:
        remedy = "write exactly one; `individual: call` gives each call a room of its own"
        yield Problem(place, "direct, individual, callee", "are not exactly one", remedy)
    if rule.direct == "":
        yield Problem(place, "direct", "is empty", "name the room")
    for name in rule.trunks:
        if name not in known:
            remedy = f"known are {', '.join(sorted(known)) or 'none'}"
            yield Problem(place, "trunks", f"{name!r} is no inbound trunk of the file", remedy)
    if not rule.trunks and not rule.open:
        message = "are missing: LiveKit takes calls that match no trunk in by such a rule, unasked"
        yield Problem(place, "trunks", message, "name the trunks, or write `open: true`")
    pin = rule.pin.get_secret_value()
    if pin and pin != UNSET and not re.fullmatch(r"[0-9]{4,16}", pin):
        yield Problem(place, "pin", "is not 4 to 16 digits", "callers enter it with their keypad")


def _unanswered(telephony: Telephony) -> Iterator[Problem]:
    answered = {name for rule in telephony.dispatch_rules for name in rule.trunks}
    if any(rule.open and not rule.trunks for rule in telephony.dispatch_rules):
        return
    for trunk in telephony.inbound_trunks:
        if trunk.name not in answered:
            message = "is in no dispatch rule: its calls ring into nothing"
            remedy = "add it to a rule's trunks"
            yield Problem(f"inbound trunk {trunk.name}", "", message, remedy)


def _trunk_conflicts(trunks: Sequence[InboundTrunk]) -> Iterator[Problem]:
    """Called numbers and calling numbers decide; addresses do not.

    Source: livekit/protocol ``sip/sip.go`` (ValidateTrunksIter).
    """
    seen: dict[tuple[str, str], str] = {}
    for trunk in trunks:
        clashes: dict[str, str] = {}
        for called in _normal(trunk.numbers):
            for calling in _normal(trunk.allowed_numbers):
                other = seen.setdefault((called, calling), trunk.name)
                if other != trunk.name:
                    clashes.setdefault(other, called or "any number")
        for other, called in clashes.items():
            message = f"takes {called} as trunk {other} does; LiveKit allows one"
            remedy = "give each trunk its own numbers"
            yield Problem(f"inbound trunk {trunk.name}", "numbers", message, remedy)


def _rule_conflicts(rules: Sequence[DispatchRule]) -> Iterator[Problem]:
    seen: dict[tuple[str, str, str, str], str] = {}
    for rule in rules:
        pin = rule.pin.get_secret_value()
        keys = {
            (pin, trunk, calling, called)
            for trunk in rule.trunks or [""]
            for calling in _normal(rule.inbound_numbers)
            for called in _normal(rule.numbers)
        }
        others = {seen.setdefault(key, rule.name) for key in sorted(keys)} - {rule.name}
        for other in sorted(others):
            message = f"takes the same calls as rule {other}; LiveKit allows one"
            remedy = "tell them apart by trunks, numbers, inbound_numbers or pin"
            yield Problem(f"dispatch rule {rule.name}", "", message, remedy)


def _normal(numbers: Iterable[str]) -> list[str]:
    """Numbers as LiveKit compares them; [""] for any.

    Source: livekit/protocol ``livekit/sip.go`` (NormalizeNumber).
    """
    plain = [re.sub(r"[-() ]", "", number) for number in numbers]
    return [f"+{number}" if number.isdigit() else number for number in plain] or [""]


def _set(values: Iterable[str]) -> Iterator[str]:
    return (value for value in values if UNSET not in value)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _is_everybody(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    widest = NARROWEST_OPEN_IPV4 if network.version == 4 else NARROWEST_OPEN_IPV6
    return network.prefixlen <= widest
