"""Which trunks and which rules cannot stand side by side. Pure.

Two of them conflict when one call would match both in the same way: an empty list stands for the
wildcard and meets only another wildcard, for what names a number goes first.
Source: livekit/protocol ``sip/sip.go`` (ValidateTrunksIter, DispatchRuleValidator).
"""

import re
from collections.abc import Iterable
from itertools import product

from livekit.protocol import sip as pb

from local.exchange.trunks import pin_of
from local.exchange.twirp import TwirpError

_NUMBER = re.compile(r"\+?[\d\- ()]+")


def check_trunk_conflicts(
    trunk: pb.SIPInboundTrunkInfo, others: Iterable[pb.SIPInboundTrunkInfo]
) -> None:
    """Refuse a trunk that shares called and calling numbers with another.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    for other in others:
        if other.sip_trunk_id != trunk.sip_trunk_id and _trunk_keys(trunk) & _trunk_keys(other):
            raise TwirpError(
                "invalid_argument",
                f'Conflicting inbound SIP Trunks: "{trunk.sip_trunk_id or "<new>"}" and '
                f'"{other.sip_trunk_id}", using the same number(s) {list(trunk.numbers) or "<any>"}'
                + ("" if trunk.allowed_numbers else " without AllowedNumbers set"),
            )


def check_rule_conflicts(
    rule: pb.SIPDispatchRuleInfo, others: Iterable[pb.SIPDispatchRuleInfo]
) -> None:
    """Refuse a rule for the same trunk, numbers and PIN as another.

    Raises:
        TwirpError: ``invalid_argument``.
    """
    for other in others:
        same = other.sip_dispatch_rule_id == rule.sip_dispatch_rule_id
        if not same and _rule_keys(rule) & _rule_keys(other):
            raise TwirpError(
                "invalid_argument",
                "Dispatch rule for the same trunk, inbound number, number, and PIN combination "
                f'already exists in dispatch rule "{other.sip_dispatch_rule_id}" '
                f'"{other.name or "<blank name>"}"',
            )


def _trunk_keys(trunk: pb.SIPInboundTrunkInfo) -> set[tuple[str, ...]]:
    return set(product(_numbers(trunk.numbers), _numbers(trunk.allowed_numbers)))


def _rule_keys(rule: pb.SIPDispatchRuleInfo) -> set[tuple[str, ...]]:
    trunks, pin = list(rule.trunk_ids) or [""], [pin_of(rule)]
    return set(product(pin, trunks, _numbers(rule.inbound_numbers), _numbers(rule.numbers)))


def _numbers(numbers: Iterable[str]) -> list[str]:
    """Numbers without their punctuation, with a plus; the wildcard is the empty one."""
    return [_normal(number) for number in numbers] or [""]


def _normal(number: str) -> str:
    if not _NUMBER.fullmatch(number):
        return number
    return "+" + re.sub(r"[^\d]", "", number)
