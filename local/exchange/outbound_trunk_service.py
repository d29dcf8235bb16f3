"""LiveKit's SIP service: the trunks that calls leave by, and the end of trunks of both kinds."""

from livekit.protocol import sip as pb

from local.exchange.sip_requests import check_outbound_trunk, require_sip
from local.exchange.tokens import Claims
from local.exchange.trunk_table import TrunkTable
from local.exchange.trunks import Telephony


class OutboundTrunkService:
    """Creates, changes and lists outbound trunks; deletes any trunk."""

    def __init__(self, telephony: Telephony):
        self._both_kinds = (telephony.trunks, telephony.outbound)
        self._trunks = TrunkTable(telephony.outbound, check_outbound_trunk)

    async def create_sip_outbound_trunk(
        self, request: pb.CreateSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPOutboundTrunkInfo:
        """Create an outbound trunk."""
        require_sip(claims, "admin")
        return self._trunks.create(request.trunk)

    async def update_sip_outbound_trunk(
        self, request: pb.UpdateSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPOutboundTrunkInfo:
        """Replace a trunk, or change fields of it."""
        require_sip(claims, "admin")
        if request.WhichOneof("action") == "replace":
            return self._trunks.replace(request.sip_trunk_id, request.replace)
        return self._trunks.update(request.sip_trunk_id, request.update)

    async def get_sip_outbound_trunk(
        self, request: pb.GetSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.GetSIPOutboundTrunkResponse:
        """Return one trunk."""
        require_sip(claims, "admin")
        return pb.GetSIPOutboundTrunkResponse(trunk=self._trunks.get(request.sip_trunk_id))

    async def list_sip_outbound_trunk(
        self, request: pb.ListSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.ListSIPOutboundTrunkResponse:
        """List trunks, all or those asked for by id or number."""
        require_sip(claims, "admin")
        found = self._trunks.matching(request.trunk_ids, request.numbers)
        return pb.ListSIPOutboundTrunkResponse(items=found)

    async def delete_sip_trunk(
        self, request: pb.DeleteSIPTrunkRequest, claims: Claims | None
    ) -> pb.SIPTrunkInfo:
        """Delete a trunk; one that is not there is no error."""
        require_sip(claims, "admin")
        for trunks in self._both_kinds:
            trunks.pop(request.sip_trunk_id, None)
        return pb.SIPTrunkInfo(sip_trunk_id=request.sip_trunk_id)
