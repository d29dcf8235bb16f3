"""The ``sip.*`` attributes of a phone in a room, as livekit-sip sets them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from livekit.protocol import sip as pb

from local.exchange.trunks import Dialled
from local.sip.call import SipCall
from local.sip.errors import SipParseError
from local.sip.headers import Headers
from local.sip.uri import NameAddr, SipUri

if TYPE_CHECKING:
    from local.exchange.phone_call import CallTerms


def call_attributes(
    call: SipCall,
    dialled: Dialled,
    trunk: pb.SIPInboundTrunkInfo,
    rule: pb.SIPDispatchRuleInfo,
) -> dict[str, str]:
    """Collect the attributes of a call that came in: it rings, or was answered for its PIN.

    Rule attributes come first and are overridden by nothing but the call's own facts; then the
    trunk's mapped headers, and ``sip.h.<name>`` for the headers it includes.
    """
    attributes = dict(rule.attributes) | {
        "sip.callID": call.local_tag,
        "sip.callIDFull": call.call_id,
        "sip.callStatus": "active" if call.state == "answered" else "ringing",
        "sip.callTag": NameAddr.parse(call.headers.get("From")).tag,
        "sip.ruleID": rule.sip_dispatch_rule_id,
        "sip.trunkID": trunk.sip_trunk_id,
    }
    if not rule.hide_phone_number:
        attributes |= {
            "sip.hostname": _host(call),
            "sip.phoneNumber": dialled.calling,
            "sip.trunkPhoneNumber": dialled.called,
        }
    attributes |= _from_headers(call.headers, trunk.headers_to_attributes, trunk.include_headers)
    return {key: value for key, value in attributes.items() if value}


def dial_attributes(
    call_id: str, dialled: Dialled, trunk_id: str, own: Mapping[str, str], *, hidden: bool
) -> dict[str, str]:
    """Collect the attributes of a call about to be placed.

    Args:
        call_id: LiveKit's id of it.
        dialled: Whom it goes to, who calls, and by which host.
        trunk_id: Of the outbound trunk.
        own: Attributes of the request.
        hidden: Whether the numbers are kept back.
    """
    attributes = dict(own) | {"sip.callID": call_id, "sip.callStatus": "dialing"}
    attributes["sip.trunkID"] = trunk_id
    if not hidden:
        attributes |= {
            "sip.hostname": dialled.source,
            "sip.phoneNumber": dialled.called,
            "sip.trunkPhoneNumber": dialled.calling,
        }
    return {key: value for key, value in attributes.items() if value}


def answer_attributes(call: SipCall, terms: "CallTerms") -> dict[str, str]:
    """Collect what the answer to a call placed adds."""
    headers = call.answer_headers
    tag = NameAddr.parse(headers.get("To")).tag
    attributes = {"sip.callIDFull": call.call_id, "sip.callTag": tag}
    return attributes | _from_headers(headers, terms.headers_to_attributes, terms.include_headers)


def _from_headers(
    headers: Headers, mapped: Mapping[str, str], included: pb.SIPHeaderOptions
) -> dict[str, str]:
    attributes: dict[str, str] = {}
    if included != pb.SIP_NO_HEADERS:
        attributes = {
            f"sip.h.{name.lower()}": value
            for name, value in headers
            if included != pb.SIP_X_HEADERS or name.lower().startswith("x-")
        }
    for header, key in mapped.items():
        if value := headers.get(header):
            attributes[key] = value
    return attributes


def _host(call: SipCall) -> str:
    """Host of From."""
    try:
        return SipUri.parse(NameAddr.parse(call.headers.get("From")).uri).host
    except SipParseError:
        return ""
