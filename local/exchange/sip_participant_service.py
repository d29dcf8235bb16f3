"""LiveKit's SIP service: calls placed and transferred."""

from livekit.protocol import sip as pb

from local.exchange.dialler import Dialler
from local.exchange.gateway import SipGateway
from local.exchange.phone_call import PhoneCall
from local.exchange.rooms import Rooms
from local.exchange.sip_errors import invalid
from local.exchange.sip_requests import check_dial, check_transfer, require_sip, secs
from local.exchange.tokens import Claims
from local.exchange.transfers import Transfers
from local.exchange.trunks import Telephony
from local.exchange.twirp import TwirpError, require

TRANSFER_SECS = 30.0


class SipParticipantService:
    """CreateSIPParticipant and TransferSIPParticipant."""

    def __init__(self, telephony: Telephony, rooms: Rooms, gateway: SipGateway):
        """Initialize.

        Args:
            telephony: The outbound trunks.
            rooms: Where the participants are.
            gateway: Carries the calls.
        """
        self._telephony, self._rooms, self._calls = telephony, rooms, gateway.calls
        self._dialler, self._transfers = Dialler(gateway, rooms), Transfers()

    async def create_sip_participant(
        self, request: pb.CreateSIPParticipantRequest, claims: Claims | None
    ) -> pb.SIPParticipantInfo:
        """Call a phone; waits for its answer if the request says so."""
        require_sip(claims, "call")
        check_dial(request)
        placed = self._dialler.dial(request, self._trunk(request))
        if request.wait_until_answered:
            await placed.wait_active()
        return pb.SIPParticipantInfo(
            participant_id=placed.participant.sid,
            participant_identity=placed.participant.identity,
            room_name=request.room_name,
            sip_call_id=placed.call_id,
        )

    async def transfer_sip_participant(
        self, request: pb.TransferSIPParticipantRequest, claims: Claims | None
    ) -> pb.TransferSIPParticipantResponse:
        """Send a phone somewhere else; waits for what becomes of it."""
        uri = check_transfer(request)
        require_sip(claims, "call")
        require(claims, "roomAdmin", request.room_name)
        phone = self._phone(request.room_name, request.participant_identity)
        await self._transfers.refer(
            phone,
            uri,
            headers=request.headers,
            timeout_secs=secs(request.ringing_timeout) or TRANSFER_SECS,
            dialtone=request.play_dialtone,
        )
        return pb.TransferSIPParticipantResponse()

    def _trunk(self, request: pb.CreateSIPParticipantRequest) -> pb.SIPOutboundTrunkInfo:
        if not request.sip_trunk_id:
            return _unnamed_trunk(request.trunk)
        if trunk := self._telephony.outbound.get(request.sip_trunk_id):
            return trunk
        raise TwirpError("not_found", "requested sip trunk does not exist")

    def _phone(self, room_name: str, identity: str) -> PhoneCall:
        room = self._rooms.get(room_name)
        participant = room.participants.get(identity) if room else None
        if participant is None:
            raise TwirpError("not_found", "participant does not exist")
        if phone := self._calls.of(participant):
            return phone
        raise invalid("no SIP session associated with participant")


def _unnamed_trunk(config: pb.SIPOutboundConfig) -> pb.SIPOutboundTrunkInfo:
    """The trunk that a request brings along."""
    return pb.SIPOutboundTrunkInfo(
        address=config.hostname,
        transport=config.transport,
        auth_username=config.auth_username,
        auth_password=config.auth_password,
        from_host=config.from_host,
        headers_to_attributes=config.headers_to_attributes,
        attributes_to_headers=config.attributes_to_headers,
    )
