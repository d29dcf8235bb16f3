"""Trunks and dispatch rules: which call is let in, and which room it goes to. Pure."""

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from livekit.protocol import sip as pb

from local.exchange.ids import new_id

_KINDS = {"dispatch_rule_direct": 0, "dispatch_rule_individual": 1, "dispatch_rule_callee": 2}
_OPEN, _WILDCARD = 100, 1000


@dataclass(frozen=True, slots=True)
class Dialled:
    """What an INVITE says of itself.

    Parameters:
        called: User part of the Request-URI.
        calling: User part of From.
        source: IP address the packet came from.
    """

    called: str
    calling: str
    source: str


class Telephony:
    """Trunks and rules by id, from the configuration file and from LiveKit's SIP API.

    Parameters:
        trunks: Those that calls come in by.
        outbound: Those that calls leave by.
        rules: Dispatch rules.
    """

    def __init__(self):
        self.trunks: dict[str, pb.SIPInboundTrunkInfo] = {}
        self.outbound: dict[str, pb.SIPOutboundTrunkInfo] = {}
        self.rules: dict[str, pb.SIPDispatchRuleInfo] = {}

    def find_trunk(self, call: Dialled) -> pb.SIPInboundTrunkInfo | None:
        """Return the trunk of a call; one that lists the called number goes first."""
        fitting = [t for t in self.trunks.values() if not why_not(t, call)]
        return min(fitting, key=lambda trunk: not trunk.numbers, default=None)

    def find_rule(
        self, trunk: pb.SIPInboundTrunkInfo, call: Dialled, pin: str | None = None
    ) -> pb.SIPDispatchRuleInfo | None:
        """Return the rule of a call, the most specific one.

        Args:
            trunk: That it came in by.
            call: What its INVITE says.
            pin: What the caller entered; empty for none, ``None`` before the caller was asked.

        Source: livekit/protocol ``sip/sip.go`` (MatchDispatchRuleIter, DispatchRulePriority).
        """
        fitting = [
            rule
            for rule in self.rules.values()
            if (not rule.trunk_ids or trunk.sip_trunk_id in rule.trunk_ids)
            and (not rule.inbound_numbers or call.calling in rule.inbound_numbers)
            and (not rule.numbers or call.called in rule.numbers)
            and (pin is None or pin_of(rule) == pin)
        ]
        return min(fitting, key=_priority, default=None)

    def refusals(self, call: Dialled) -> str:
        """Say in one line why no trunk takes a call."""
        if not self.trunks:
            return "there is no inbound trunk"
        return "; ".join(
            f"trunk {t.name or t.sip_trunk_id}: {why_not(t, call)}" for t in self.trunks.values()
        )


def why_not(trunk: pb.SIPInboundTrunkInfo, call: Dialled) -> str:
    """Say why a trunk does not take a call; empty if it does."""
    if trunk.numbers and call.called not in trunk.numbers:
        return "the called number is not one of its numbers"
    if trunk.allowed_numbers and call.calling not in trunk.allowed_numbers:
        return "the calling number is not allowed"
    if trunk.allowed_addresses and not _in_networks(call.source, trunk.allowed_addresses):
        return f"{call.source} is not one of its allowed addresses"
    return ""


def _in_networks(address: str, networks: Iterable[str]) -> bool:
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network, strict=False) for network in networks)


def _priority(rule: pb.SIPDispatchRuleInfo) -> tuple[bool, int]:
    """Lower goes first: a rule of this very trunk before one for all trunks."""
    kind = rule.rule.WhichOneof("rule") or ""
    wildcards = (not rule.inbound_numbers) + (not rule.numbers)
    kinds = _KINDS.get(kind, 0) + (0 if pin_of(rule) else _OPEN)
    return not rule.trunk_ids, kinds + _WILDCARD * wildcards


def pin_of(rule: pb.SIPDispatchRuleInfo) -> str:
    """The PIN that callers of a rule must enter; empty without one."""
    kind = rule.rule.WhichOneof("rule")
    return getattr(rule.rule, kind).pin if kind else ""


def room_name(rule: pb.SIPDispatchRuleInfo, call: Dialled) -> str:
    """Name the room of a call: direct, individual or callee."""
    calling = call.calling[-4:] if rule.hide_phone_number else call.calling
    match rule.rule.WhichOneof("rule"):
        case "dispatch_rule_direct":
            return rule.rule.dispatch_rule_direct.room_name
        case "dispatch_rule_callee":
            callee = rule.rule.dispatch_rule_callee
            parts = [callee.room_prefix, call.called, new_id() if callee.randomize else ""]
        case _:
            individual = rule.rule.dispatch_rule_individual
            tail = "" if individual.no_randomness else new_id()
            parts = [individual.room_prefix, calling, tail]
    return "_".join(part for part in parts if part)


def identity(rule: pb.SIPDispatchRuleInfo, call: Dialled) -> tuple[str, str]:
    """Return identity and name of the caller, hidden if the rule says so."""
    if not rule.hide_phone_number:
        return f"sip_{call.calling}", f"Phone {call.calling}"
    digest = hashlib.sha256(call.calling.encode()).hexdigest()[:16]
    return f"sip_{digest}", f"Phone {call.calling[-4:]}"
