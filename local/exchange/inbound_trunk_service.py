"""LiveKit's SIP service: the trunks that calls come in by."""

from livekit.protocol import sip as pb

from local.exchange.field_updates import apply_update
from local.exchange.ids import new_id
from local.exchange.sip_conflicts import check_trunk_conflicts
from local.exchange.sip_requests import check_inbound_trunk, require_sip
from local.exchange.tokens import Claims
from local.exchange.trunks import Telephony
from local.exchange.twirp import TwirpError


class InboundTrunkService:
    """Creates, changes and lists inbound trunks."""

    def __init__(self, telephony: Telephony):
        self._trunks = telephony.trunks

    async def create_sip_inbound_trunk(
        self, request: pb.CreateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Create an inbound trunk."""
        require_sip(claims, "admin")
        trunk = pb.SIPInboundTrunkInfo()
        trunk.CopyFrom(request.trunk)
        trunk.sip_trunk_id = new_id("ST_")
        self._keep(trunk)
        return trunk

    async def update_sip_inbound_trunk(
        self, request: pb.UpdateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Replace a trunk, or change fields of it."""
        require_sip(claims, "admin")
        trunk = pb.SIPInboundTrunkInfo()
        trunk.CopyFrom(self._trunk(request.sip_trunk_id))
        if request.WhichOneof("action") == "replace":
            trunk.CopyFrom(request.replace)
            trunk.sip_trunk_id = request.sip_trunk_id
        else:
            apply_update(trunk, request.update)
        self._keep(trunk)
        return trunk

    async def get_sip_inbound_trunk(
        self, request: pb.GetSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.GetSIPInboundTrunkResponse:
        """Return one trunk."""
        require_sip(claims, "admin")
        return pb.GetSIPInboundTrunkResponse(trunk=self._trunk(request.sip_trunk_id))

    async def list_sip_inbound_trunk(
        self, request: pb.ListSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.ListSIPInboundTrunkResponse:
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
        return pb.ListSIPInboundTrunkResponse(items=found)

    def _trunk(self, trunk_id: str) -> pb.SIPInboundTrunkInfo:
        if trunk := self._trunks.get(trunk_id):
            return trunk
        raise TwirpError("not_found", "requested sip trunk does not exist")

    def _keep(self, trunk: pb.SIPInboundTrunkInfo) -> None:
        check_inbound_trunk(trunk)
        check_trunk_conflicts(trunk, self._trunks.values())
        self._trunks[trunk.sip_trunk_id] = trunk
