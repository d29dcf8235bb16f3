"""LiveKit's SIP service: the trunks that calls leave by, and the end of trunks of both kinds."""

from livekit.protocol import sip as pb

from local.exchange.field_updates import apply_update
from local.exchange.ids import new_id
from local.exchange.sip_requests import check_outbound_trunk, require_sip
from local.exchange.tokens import Claims
from local.exchange.trunks import Telephony
from local.exchange.twirp import TwirpError


class OutboundTrunkService:
    """Creates, changes and lists outbound trunks; deletes any trunk."""

    def __init__(self, telephony: Telephony):
        self._trunks, self._inbound = telephony.outbound, telephony.trunks

    async def create_sip_outbound_trunk(
        self, request: pb.CreateSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPOutboundTrunkInfo:
        """Create an outbound trunk."""
        require_sip(claims, "admin")
        trunk = pb.SIPOutboundTrunkInfo()
        trunk.CopyFrom(request.trunk)
        trunk.sip_trunk_id = new_id("ST_")
        self._keep(trunk)
        return trunk

    async def update_sip_outbound_trunk(
        self, request: pb.UpdateSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPOutboundTrunkInfo:
        """Replace a trunk, or change fields of it."""
        require_sip(claims, "admin")
        trunk = pb.SIPOutboundTrunkInfo()
        trunk.CopyFrom(self._trunk(request.sip_trunk_id))
        if request.WhichOneof("action") == "replace":
            trunk.CopyFrom(request.replace)
            trunk.sip_trunk_id = request.sip_trunk_id
        else:
            apply_update(trunk, request.update)
        self._keep(trunk)
        return trunk

    async def get_sip_outbound_trunk(
        self, request: pb.GetSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.GetSIPOutboundTrunkResponse:
        """Return one trunk."""
        require_sip(claims, "admin")
        return pb.GetSIPOutboundTrunkResponse(trunk=self._trunk(request.sip_trunk_id))

    async def list_sip_outbound_trunk(
        self, request: pb.ListSIPOutboundTrunkRequest, claims: Claims | None
    ) -> pb.ListSIPOutboundTrunkResponse:
        """List trunks, all or those asked for by id or number."""
        require_sip(claims, "admin")
        found = [
            trunk
            for trunk in self._trunks.values()
            if (not request.trunk_ids or trunk.sip_trunk_id in request.trunk_ids)
            and (
                not request.numbers
                or not trunk.numbers
                or set(trunk.numbers) & set(request.numbers)
            )
        ]
        return pb.ListSIPOutboundTrunkResponse(items=found)

    async def delete_sip_trunk(
        self, request: pb.DeleteSIPTrunkRequest, claims: Claims | None
    ) -> pb.SIPTrunkInfo:
        """Delete a trunk; one that is not there is no error."""
        require_sip(claims, "admin")
        for trunks in (self._inbound, self._trunks):
            trunks.pop(request.sip_trunk_id, None)
        return pb.SIPTrunkInfo(sip_trunk_id=request.sip_trunk_id)

    def _trunk(self, trunk_id: str) -> pb.SIPOutboundTrunkInfo:
        if trunk := self._trunks.get(trunk_id):
            return trunk
        raise TwirpError("not_found", "requested sip trunk does not exist")

    def _keep(self, trunk: pb.SIPOutboundTrunkInfo) -> None:
        check_outbound_trunk(trunk)
        self._trunks[trunk.sip_trunk_id] = trunk
