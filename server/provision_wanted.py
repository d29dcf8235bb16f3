"""The file's trunks and rules as LiveKit's messages."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass

from livekit.protocol import sip as pb
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.room import RoomConfiguration

from server.provision_file import DispatchRule, InboundTrunk, OutboundTrunk, Telephony

Info = pb.SIPInboundTrunkInfo | pb.SIPOutboundTrunkInfo | pb.SIPDispatchRuleInfo

_HEADERS = {"none": pb.SIP_NO_HEADERS, "x": pb.SIP_X_HEADERS, "all": pb.SIP_ALL_HEADERS}
_TRANSPORTS = {
    "auto": pb.SIP_TRANSPORT_AUTO,
    "udp": pb.SIP_TRANSPORT_UDP,
    "tcp": pb.SIP_TRANSPORT_TCP,
    "tls": pb.SIP_TRANSPORT_TLS,
}
_ENCRYPTION = {
    "disable": pb.SIP_MEDIA_ENCRYPT_DISABLE,
    "allow": pb.SIP_MEDIA_ENCRYPT_ALLOW,
    "require": pb.SIP_MEDIA_ENCRYPT_REQUIRE,
}
# RFC 3551 §4.5.2: G722's RTP clock is 8000 although it samples at 16000.
_RATES_HZ = {"PCMU": 8000, "PCMA": 8000, "G722": 8000, "AMR-WB": 16000}


@dataclass(frozen=True)
class Wanted:
    """What LiveKit should have, by name.

    Parameters:
        mark: The metadata of all of it: who made it.
        inbound: Inbound trunks.
        outbound: Outbound trunks.
        rules: Dispatch rules; ``trunk_ids`` holds the trunks' names.
    """

    mark: str
    inbound: Mapping[str, pb.SIPInboundTrunkInfo]
    outbound: Mapping[str, pb.SIPOutboundTrunkInfo]
    rules: Mapping[str, pb.SIPDispatchRuleInfo]


def wanted_of(telephony: Telephony, *, agent_name: str) -> Wanted:
    """Everything of a file without problems; rules without an agent get ``agent_name``."""
    mark = managed_by(telephony.owner)
    return Wanted(
        mark,
        {trunk.name: _inbound(trunk, mark) for trunk in telephony.inbound_trunks},
        {trunk.name: _outbound(trunk, mark) for trunk in telephony.outbound_trunks},
        {rule.name: _rule(rule, mark, agent_name) for rule in telephony.dispatch_rules},
    )


def managed_by(owner: str) -> str:
    """The metadata by which ``--prune`` knows what it may delete."""
    return json.dumps({"managed_by": owner})


def _inbound(trunk: InboundTrunk, mark: str) -> pb.SIPInboundTrunkInfo:
    info = pb.SIPInboundTrunkInfo(
        name=trunk.name,
        metadata=mark,
        numbers=trunk.numbers,
        allowed_addresses=[_network(address) for address in trunk.allowed_addresses],
        allowed_numbers=trunk.allowed_numbers,
        auth_username=trunk.username,
        auth_password=trunk.password.get_secret_value(),
        auth_realm=trunk.realm,
        headers=trunk.headers,
        headers_to_attributes=trunk.headers_to_attributes,
        attributes_to_headers=trunk.attributes_to_headers,
        include_headers=_HEADERS[trunk.include_headers],
        media=_media(trunk),
    )
    info.ringing_timeout.FromSeconds(trunk.ringing_timeout_secs)
    info.max_call_duration.FromSeconds(trunk.max_call_duration_secs)
    return info


def _outbound(trunk: OutboundTrunk, mark: str) -> pb.SIPOutboundTrunkInfo:
    return pb.SIPOutboundTrunkInfo(
        name=trunk.name,
        metadata=mark,
        address=trunk.address,
        numbers=trunk.numbers,
        transport=_TRANSPORTS[trunk.transport],
        destination_country=trunk.country,
        from_host=trunk.from_host,
        auth_username=trunk.username,
        auth_password=trunk.password.get_secret_value(),
        headers=trunk.headers,
        headers_to_attributes=trunk.headers_to_attributes,
        attributes_to_headers=trunk.attributes_to_headers,
        include_headers=_HEADERS[trunk.include_headers],
        media=_media(trunk),
    )


def _media(trunk: InboundTrunk | OutboundTrunk) -> pb.SIPMediaConfig:
    media = pb.SIPMediaConfig(
        only_listed_codecs=bool(trunk.codecs),
        codecs=[pb.SIPCodec(name=name, rate=_RATES_HZ[name]) for name in trunk.codecs],
        encryption=_ENCRYPTION[trunk.encryption],
    )
    media.media_timeout.FromSeconds(trunk.media_timeout_secs)
    return media


def _rule(rule: DispatchRule, mark: str, agent_name: str) -> pb.SIPDispatchRuleInfo:
    info = pb.SIPDispatchRuleInfo(
        name=rule.name,
        metadata=mark,
        trunk_ids=rule.trunks,
        numbers=rule.numbers,
        inbound_numbers=rule.inbound_numbers,
        hide_phone_number=rule.hide_phone_number,
        attributes=rule.attributes,
        room_config=RoomConfiguration(
            empty_timeout=rule.empty_timeout_secs,
            departure_timeout=rule.departure_timeout_secs,
            agents=[
                RoomAgentDispatch(agent_name=rule.agent or agent_name, metadata=rule.agent_metadata)
            ],
        ),
    )
    pin = rule.pin.get_secret_value()
    if rule.direct is not None:
        info.rule.dispatch_rule_direct.room_name = rule.direct
        info.rule.dispatch_rule_direct.pin = pin
    elif rule.callee is not None:
        info.rule.dispatch_rule_callee.room_prefix = rule.callee
        info.rule.dispatch_rule_callee.randomize = rule.randomness
        info.rule.dispatch_rule_callee.pin = pin
    else:
        info.rule.dispatch_rule_individual.room_prefix = rule.individual or ""
        info.rule.dispatch_rule_individual.no_randomness = not rule.randomness
        info.rule.dispatch_rule_individual.pin = pin
    return info


def _network(address: str) -> str:
    """With its prefix: a bare address would also match the host that a caller writes into From.

    Source: livekit/protocol ``sip/sip.go`` (matchAddrMasks).
    """
    return str(ipaddress.ip_network(address, strict=False))
