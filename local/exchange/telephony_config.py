"""Trunks and dispatch rules of the configuration file, as LiveKit's API would show them."""

from collections.abc import Iterable

from livekit.protocol import sip as pb

from local.exchange.config import (
    ExchangeConfig,
    OutboundTrunkConfig,
    RuleConfig,
    TrunkConfig,
)
from local.exchange.ids import new_id
from local.exchange.trunks import Telephony

_HEADERS = {"none": pb.SIP_NO_HEADERS, "x": pb.SIP_X_HEADERS, "all": pb.SIP_ALL_HEADERS}


def load_telephony(config: ExchangeConfig) -> Telephony:
    """Build the trunks and rules of a configuration file."""
    telephony = Telephony()
    ids: dict[str, str] = {}
    for item in config.trunks:
        trunk = _trunk_info(item)
        ids[item.name] = trunk.sip_trunk_id
        telephony.trunks[trunk.sip_trunk_id] = trunk
    for item in config.outbound_trunks:
        outbound = _outbound_info(item)
        telephony.outbound[outbound.sip_trunk_id] = outbound
    for item in config.rules:
        rule = _rule_info(item, [ids[name] for name in item.trunks])
        telephony.rules[rule.sip_dispatch_rule_id] = rule
    return telephony


def name_own_address(telephony: Telephony, address: str) -> None:
    """Let the outbound trunks that mean this exchange say where that is, once it listens."""
    for trunk in telephony.outbound.values():
        trunk.address = trunk.address or address


def _outbound_info(item: OutboundTrunkConfig) -> pb.SIPOutboundTrunkInfo:
    return pb.SIPOutboundTrunkInfo(
        sip_trunk_id=new_id("ST_"),
        name=item.name,
        address=item.address,
        numbers=item.numbers,
        auth_username=item.username,
        auth_password=item.password.get_secret_value(),
        headers=item.headers,
        headers_to_attributes=item.headers_to_attributes,
        attributes_to_headers=item.attributes_to_headers,
        include_headers=_HEADERS[item.include_headers],
    )


def _trunk_info(item: TrunkConfig) -> pb.SIPInboundTrunkInfo:
    trunk = pb.SIPInboundTrunkInfo(
        sip_trunk_id=new_id("ST_"),
        name=item.name,
        numbers=item.numbers,
        allowed_addresses=item.allowed_addresses,
        allowed_numbers=item.allowed_numbers,
        auth_username=item.username,
        auth_password=item.password.get_secret_value(),
        headers=item.headers,
        headers_to_attributes=item.headers_to_attributes,
        attributes_to_headers=item.attributes_to_headers,
        include_headers=_HEADERS[item.include_headers],
    )
    trunk.ringing_timeout.FromMilliseconds(round(item.ringing_timeout_secs * 1000))
    trunk.max_call_duration.FromMilliseconds(round(item.max_call_duration_secs * 1000))
    return trunk


def _rule_info(item: RuleConfig, trunk_ids: Iterable[str]) -> pb.SIPDispatchRuleInfo:
    info = pb.SIPDispatchRuleInfo(
        sip_dispatch_rule_id=new_id("SDR_"),
        name=item.name,
        trunk_ids=trunk_ids,
        inbound_numbers=item.inbound_numbers,
        numbers=item.numbers,
        hide_phone_number=item.hide_phone_number,
        metadata=item.metadata,
        attributes=item.attributes,
    )
    if item.direct is not None:
        info.rule.dispatch_rule_direct.room_name = item.direct
    elif item.callee is not None:
        info.rule.dispatch_rule_callee.room_prefix = item.callee
        info.rule.dispatch_rule_callee.randomize = item.randomness
    else:
        info.rule.dispatch_rule_individual.room_prefix = item.individual or ""
        info.rule.dispatch_rule_individual.no_randomness = not item.randomness
    info.room_config.empty_timeout = item.room.empty_timeout
    info.room_config.departure_timeout = item.room.departure_timeout
    info.room_config.metadata = item.room.metadata
    for agent in item.room.agents:
        info.room_config.agents.add(agent_name=agent.agent_name, metadata=agent.metadata)
    return info
