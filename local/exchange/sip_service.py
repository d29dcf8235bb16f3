"""LiveKit's SIP service for calls that come in: trunks and dispatch rules."""

from collections.abc import Iterable

from livekit.protocol import models
from livekit.protocol import sip as pb

from local.exchange.ids import new_id
from local.exchange.tokens import Claims
from local.exchange.trunks import Telephony
from local.exchange.twirp import TwirpError


class SipService:
    """Creates, changes, lists and deletes trunks and rules; outbound ones are not served."""

    def __init__(self, telephony: Telephony):
        self._telephony = telephony

    async def create_sip_inbound_trunk(
        self, request: pb.CreateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Create an inbound trunk."""
        _require_admin(claims)
        trunk = pb.SIPInboundTrunkInfo()
        trunk.CopyFrom(request.trunk)
        trunk.sip_trunk_id = new_id("ST_")
        self._keep_trunk(trunk)
        return trunk

    async def update_sip_inbound_trunk(
        self, request: pb.UpdateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Replace a trunk, or change fields of it."""
        _require_admin(claims)
        trunk = pb.SIPInboundTrunkInfo()
        trunk.CopyFrom(self._trunk(request.sip_trunk_id))
        if request.WhichOneof("action") == "replace":
            trunk.CopyFrom(request.replace)
            trunk.sip_trunk_id = request.sip_trunk_id
        else:
            _apply(trunk, request.update)
        self._keep_trunk(trunk)
        return trunk

    async def get_sip_inbound_trunk(
        self, request: pb.GetSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.GetSIPInboundTrunkResponse:
        """Return one trunk."""
        _require_admin(claims)
        return pb.GetSIPInboundTrunkResponse(trunk=self._trunk(request.sip_trunk_id))

    async def list_sip_inbound_trunk(
        self, request: pb.ListSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.ListSIPInboundTrunkResponse:
        """List trunks, all or those asked for by id or number."""
        _require_admin(claims)
        found = [
            trunk
            for trunk in self._telephony.trunks.values()
            if (not request.trunk_ids or trunk.sip_trunk_id in request.trunk_ids)
            and (
                not request.numbers
                or not trunk.numbers
                or set(trunk.numbers) & set(request.numbers)
            )
        ]
        return pb.ListSIPInboundTrunkResponse(items=found)

    async def delete_sip_trunk(
        self, request: pb.DeleteSIPTrunkRequest, claims: Claims | None
    ) -> pb.SIPTrunkInfo:
        """Delete a trunk; one that is not there is no error."""
        _require_admin(claims)
        self._telephony.trunks.pop(request.sip_trunk_id, None)
        return pb.SIPTrunkInfo(sip_trunk_id=request.sip_trunk_id)

    async def create_sip_dispatch_rule(
        self, request: pb.CreateSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.SIPDispatchRuleInfo:
        """Create a dispatch rule."""
        _require_admin(claims)
        rule = pb.SIPDispatchRuleInfo()
        if request.HasField("dispatch_rule"):
            rule.CopyFrom(request.dispatch_rule)
        else:
            _copy_old_request(rule, request)
        rule.sip_dispatch_rule_id = new_id("SDR_")
        self._keep_rule(rule)
        return rule

    async def update_sip_dispatch_rule(
        self, request: pb.UpdateSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.SIPDispatchRuleInfo:
        """Replace a rule, or change fields of it."""
        _require_admin(claims)
        known = self._telephony.rules.get(request.sip_dispatch_rule_id)
        if known is None:
            raise TwirpError("not_found", "requested sip dispatch rule does not exist")
        rule = pb.SIPDispatchRuleInfo()
        rule.CopyFrom(known)
        if request.WhichOneof("action") == "replace":
            rule.CopyFrom(request.replace)
            rule.sip_dispatch_rule_id = request.sip_dispatch_rule_id
        else:
            _apply(rule, request.update)
        self._keep_rule(rule)
        return rule

    async def list_sip_dispatch_rule(
        self, request: pb.ListSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.ListSIPDispatchRuleResponse:
        """List rules, all or those asked for by id or trunk."""
        _require_admin(claims)
        found = [
            rule
            for rule in self._telephony.rules.values()
            if (
                not request.dispatch_rule_ids
                or rule.sip_dispatch_rule_id in request.dispatch_rule_ids
            )
            and (
                not request.trunk_ids
                or not rule.trunk_ids
                or set(rule.trunk_ids) & set(request.trunk_ids)
            )
        ]
        return pb.ListSIPDispatchRuleResponse(items=found)

    async def delete_sip_dispatch_rule(
        self, request: pb.DeleteSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.SIPDispatchRuleInfo:
        """Delete a rule."""
        _require_admin(claims)
        rule = self._telephony.rules.pop(request.sip_dispatch_rule_id, None)
        if rule is None:
            raise TwirpError("not_found", "requested sip dispatch rule does not exist")
        return rule

    def _trunk(self, trunk_id: str) -> pb.SIPInboundTrunkInfo:
        if trunk := self._telephony.trunks.get(trunk_id):
            return trunk
        raise TwirpError("not_found", "requested sip trunk does not exist")

    def _keep_trunk(self, trunk: pb.SIPInboundTrunkInfo) -> None:
        if not (trunk.numbers or trunk.allowed_addresses or trunk.auth_username):
            _invalid("for security, one of the fields must be set: numbers, addresses or auth")
        for other in self._telephony.trunks.values():
            if other.sip_trunk_id != trunk.sip_trunk_id and _conflict(trunk, other):
                _invalid(f"conflicting inbound SIP trunks: {other.sip_trunk_id}")
        self._telephony.trunks[trunk.sip_trunk_id] = trunk

    def _keep_rule(self, rule: pb.SIPDispatchRuleInfo) -> None:
        kind = rule.rule.WhichOneof("rule")
        if kind is None:
            _invalid("missing rule")
        elif getattr(rule.rule, kind).pin:
            raise TwirpError("unimplemented", "rules with a PIN are not served here")
        for other in self._telephony.rules.values():
            if other.sip_dispatch_rule_id != rule.sip_dispatch_rule_id and _same(rule, other):
                _invalid(f"conflicting SIP dispatch rules: {other.sip_dispatch_rule_id}")
        self._telephony.rules[rule.sip_dispatch_rule_id] = rule


def _require_admin(claims: Claims | None) -> None:
    if claims is None or not claims.sip.get("admin"):
        raise TwirpError("unauthenticated", "permissions denied")


def _invalid(message: str) -> None:
    raise TwirpError("invalid_argument", f"twirp error unknown: {message}")


def _conflict(one: pb.SIPInboundTrunkInfo, other: pb.SIPInboundTrunkInfo) -> bool:
    """Two trunks that one call could match (livekit/protocol ``sip/sip.go``)."""

    def meet(a: Iterable[str], b: Iterable[str]) -> bool:
        return bool(set(a) & set(b)) or not (set(a) or set(b))

    return (
        meet(one.numbers, other.numbers)
        and meet(one.allowed_numbers, other.allowed_numbers)
        and meet(one.allowed_addresses, other.allowed_addresses)
    )


def _same(one: pb.SIPDispatchRuleInfo, other: pb.SIPDispatchRuleInfo) -> bool:
    def meet(a: Iterable[str], b: Iterable[str]) -> bool:
        return bool(set(a) & set(b)) or not (set(a) or set(b))

    return (
        meet(one.trunk_ids, other.trunk_ids)
        and meet(one.inbound_numbers, other.inbound_numbers)
        and meet(one.numbers, other.numbers)
    )


def _copy_old_request(
    rule: pb.SIPDispatchRuleInfo, request: pb.CreateSIPDispatchRuleRequest
) -> None:
    """Requests before ``dispatch_rule`` carry the fields themselves."""
    rule.rule.CopyFrom(request.rule)
    rule.trunk_ids.extend(request.trunk_ids)
    rule.inbound_numbers.extend(request.inbound_numbers)
    rule.attributes.update(request.attributes)
    rule.name, rule.metadata = request.name, request.metadata
    rule.hide_phone_number = request.hide_phone_number
    if request.HasField("room_config"):
        rule.room_config.CopyFrom(request.room_config)


def _apply(
    info: pb.SIPInboundTrunkInfo | pb.SIPDispatchRuleInfo,
    update: pb.SIPInboundTrunkUpdate | pb.SIPDispatchRuleUpdate,
) -> None:
    """Change the fields an update names; lists can be set, added to, removed from, cleared."""
    for field, value in update.ListFields():
        target = getattr(info, field.name)
        if isinstance(value, models.ListUpdate):
            kept = [] if value.clear else list(value.set or target)
            kept = [item for item in kept if item not in value.remove]
            del target[:]
            target.extend(kept + [item for item in value.add if item not in kept])
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            target.update(value)
        elif field.message_type is not None:
            target.CopyFrom(value)
        else:
            setattr(info, field.name, value)
