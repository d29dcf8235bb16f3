"""The ``sip.*`` attributes of a caller, as livekit-sip sets them."""

from livekit.protocol import sip as pb

from local.exchange.trunks import Dialled
from local.sip.call import SipCall
from local.sip.errors import SipParseError
from local.sip.uri import SipUri


def call_attributes(
    call: SipCall,
    dialled: Dialled,
    trunk: pb.SIPInboundTrunkInfo,
    rule: pb.SIPDispatchRuleInfo,
) -> dict[str, str]:
    """Collect the attributes of a call that rings.

    Rule attributes come first and are overridden by nothing but the call's own facts; then the
    trunk's mapped headers, and ``sip.h.<name>`` for the headers it includes.
    """
    attributes = dict(rule.attributes) | {
        "sip.callID": call.local_tag,
        "sip.callIDFull": call.call_id,
        "sip.callStatus": "ringing",
        "sip.callTag": _tag(call.headers.get("From")),
        "sip.ruleID": rule.sip_dispatch_rule_id,
        "sip.trunkID": trunk.sip_trunk_id,
    }
    if not rule.hide_phone_number:
        attributes |= {
            "sip.hostname": _host(call),
            "sip.phoneNumber": dialled.calling,
            "sip.trunkPhoneNumber": dialled.called,
        }
    attributes |= _included(call, trunk)
    for header, key in trunk.headers_to_attributes.items():
        if value := call.headers.get(header):
            attributes[key] = value
    return {key: value for key, value in attributes.items() if value}


def _included(call: SipCall, trunk: pb.SIPInboundTrunkInfo) -> dict[str, str]:
    if trunk.include_headers == pb.SIP_NO_HEADERS:
        return {}
    only_x = trunk.include_headers == pb.SIP_X_HEADERS
    return {
        f"sip.h.{name.lower()}": value
        for name, value in call.headers
        if not only_x or name.lower().startswith("x-")
    }


def _tag(from_header: str) -> str:
    for part in from_header.rpartition(">")[2].split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "tag":
            return value.strip()
    return ""


def _host(call: SipCall) -> str:
    try:
        return SipUri.parse(call.incoming.request.uri).host if call.incoming else ""
    except SipParseError:
        return ""
