"""LiveKit's SIP service: the trunks that calls come in by."""

from livekit.protocol import sip as pb

from local.exchange.sip_conflicts import check_trunk_conflicts
from local.exchange.sip_requests import check_inbound_trunk, require_sip
from local.exchange.tokens import Claims
from local.exchange.trunk_table import TrunkTable
from local.exchange.trunks import Telephony


class InboundTrunkService:
    """Creates, changes and lists inbound trunks."""

    def __init__(self, telephony: Telephony):
        self._all = telephony.trunks
        self._trunks = TrunkTable(telephony.trunks, self._check)

    async def create_sip_inbound_trunk(
        self, request: pb.CreateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Create an inbound trunk."""
        require_sip(claims, "admin")
        return self._trunks.create(request.trunk)

    async def update_sip_inbound_trunk(
        self, request: pb.UpdateSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.SIPInboundTrunkInfo:
        """Replace a trunk, or change fields of it."""
        require_sip(claims, "admin")
        if request.WhichOneof("action") == "replace":
            return self._trunks.replace(request.sip_trunk_id, request.replace)
        return self._trunks.update(request.sip_trunk_id, request.update)

    async def get_sip_inbound_trunk(
        self, request: pb.GetSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.GetSIPInboundTrunkResponse:
        """Return one trunk."""
        require_sip(claims, "admin")
        return pb.GetSIPInboundTrunkResponse(trunk=self._trunks.get(request.sip_trunk_id))

    async def list_sip_inbound_trunk(
        self, request: pb.ListSIPInboundTrunkRequest, claims: Claims | None
    ) -> pb.ListSIPInboundTrunkResponse:
        """List trunks, all or those asked for by id or number."""
        require_sip(claims, "admin")
        found = self._trunks.matching(request.trunk_ids, request.numbers)
        return pb.ListSIPInboundTrunkResponse(items=found)

    def _check(self, trunk: pb.SIPInboundTrunkInfo) -> None:
        check_inbound_trunk(trunk)
        check_trunk_conflicts(trunk, self._all.values())
