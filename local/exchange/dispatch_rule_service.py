"""LiveKit's SIP service: the rules that send calls to rooms."""

from livekit.protocol import sip as pb

from local.exchange.field_updates import apply_update
from local.exchange.ids import new_id
from local.exchange.sip_conflicts import check_rule_conflicts
from local.exchange.sip_requests import require_sip
from local.exchange.tokens import Claims
from local.exchange.trunks import Telephony
from local.exchange.twirp import TwirpError


class DispatchRuleService:
    """Creates, changes, lists and deletes dispatch rules."""

    def __init__(self, telephony: Telephony):
        self._rules = telephony.rules

    async def create_sip_dispatch_rule(
        self, request: pb.CreateSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.SIPDispatchRuleInfo:
        """Create a dispatch rule."""
        require_sip(claims, "admin")
        rule = pb.SIPDispatchRuleInfo()
        if request.HasField("dispatch_rule"):
            rule.CopyFrom(request.dispatch_rule)
        else:
            _copy_old_request(rule, request)
        rule.sip_dispatch_rule_id = new_id("SDR_")
        self._keep(rule)
        return rule

    async def update_sip_dispatch_rule(
        self, request: pb.UpdateSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.SIPDispatchRuleInfo:
        """Replace a rule, or change fields of it."""
        require_sip(claims, "admin")
        known = self._rules.get(request.sip_dispatch_rule_id)
        if known is None:
            raise TwirpError("not_found", "requested sip dispatch rule does not exist")
        rule = pb.SIPDispatchRuleInfo()
        rule.CopyFrom(known)
        if request.WhichOneof("action") == "replace":
            rule.CopyFrom(request.replace)
            rule.sip_dispatch_rule_id = request.sip_dispatch_rule_id
        else:
            apply_update(rule, request.update)
        self._keep(rule)
        return rule

    async def list_sip_dispatch_rule(
        self, request: pb.ListSIPDispatchRuleRequest, claims: Claims | None
    ) -> pb.ListSIPDispatchRuleResponse:
        """List rules, all or those asked for by id or trunk."""
        require_sip(claims, "admin")
        found = [
            rule
            for rule in self._rules.values()
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
        require_sip(claims, "admin")
        rule = self._rules.pop(request.sip_dispatch_rule_id, None)
        if rule is None:
            raise TwirpError("not_found", "requested sip dispatch rule does not exist")
        return rule

    def _keep(self, rule: pb.SIPDispatchRuleInfo) -> None:
        if rule.rule.WhichOneof("rule") is None:
            raise TwirpError("invalid_argument", "missing rule")
        check_rule_conflicts(rule, self._rules.values())
        self._rules[rule.sip_dispatch_rule_id] = rule


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
