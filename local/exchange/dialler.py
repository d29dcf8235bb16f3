"""Places calls for the API: which address, which caller id, whose participant."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from livekit.protocol import models
from livekit.protocol import sip as pb
from loguru import logger

from local.exchange.gateway import SipGateway
from local.exchange.ids import new_id
from local.exchange.outgoing_call import OutgoingCall
from local.exchange.phone_call import MAX_CALL_SECS, RINGING_SECS, CallTerms
from local.exchange.phone_participant import PhoneParticipant
from local.exchange.rooms import Rooms
from local.exchange.sip_attributes import dial_attributes
from local.exchange.sip_behaviour import CODECS
from local.exchange.sip_errors import invalid, refused
from local.exchange.sip_requests import secs
from local.exchange.trunks import Dialled
from local.exchange.twirp import TwirpError
from local.sip.call import SipCall
from local.sip.digest import Credentials
from local.sip.uri import SipUri


@dataclass(frozen=True)
class PlacedCall:
    """A phone that is in its room and, if anybody can be called, rings.

    Parameters:
        participant: The phone.
        call_id: LiveKit's id of the call.
        call: None when the number is one of ours and nobody has registered for it.
    """

    participant: PhoneParticipant
    call_id: str
    call: OutgoingCall | None

    async def wait_active(self) -> None:
        """Wait until the call is up.

        Raises:
            TwirpError: If it fails first.
        """
        if self.call is None:
            raise refused(404, "Not Found", "INVITE failed")
        await self.call.wait_active()


class Dialler:
    """Puts a phone into a room first, then calls it."""

    def __init__(self, gateway: SipGateway, rooms: Rooms):
        """Initialize.

        Args:
            gateway: Whose port the calls leave by, and whose registrar knows the phones.
            rooms: Where the phones go.
        """
        self._gateway, self._rooms = gateway, rooms

    def dial(
        self, request: pb.CreateSIPParticipantRequest, trunk: pb.SIPOutboundTrunkInfo
    ) -> PlacedCall:
        """Place a call; the INVITE has left when this returns.

        Args:
            request: Whom to call, into which room.
            trunk: The way out.

        Raises:
            TwirpError: If the trunk has no caller id or no address that can be called.
        """
        calling = request.sip_number or (random.choice(trunk.numbers) if trunk.numbers else "")
        if not calling:
            raise TwirpError("failed_precondition", "no numbers on outbound trunk")
        uri, call_id = self._target(request.sip_call_to, trunk), new_id("SCL_")
        participant = self._participant(
            request,
            dial_attributes(
                call_id,
                Dialled(request.sip_call_to, calling, trunk.address),
                trunk.sip_trunk_id,
                request.participant_attributes,
                hidden=request.hide_phone_number,
            ),
        )
        participant.enter(listening=False)
        if uri is None:
            logger.warning(f"{participant}: no phone has registered for the number; 404")
            participant.room.leave(participant, models.USER_UNAVAILABLE)
            return PlacedCall(participant, call_id, None)
        logger.info(f"{participant}: dialling")
        phone = OutgoingCall(
            self._invite(uri, calling, call_id, request, trunk),
            participant,
            self._terms(request, trunk),
            keys=request.dtmf,
            with_password=bool(trunk.auth_password),
            ringback=request.play_dialtone or request.play_ringtone,
        )
        self._gateway.calls.begin(phone)
        return PlacedCall(participant, call_id, phone)

    def _invite(
        self,
        uri: str,
        calling: str,
        call_id: str,
        request: pb.CreateSIPParticipantRequest,
        trunk: pb.SIPOutboundTrunkInfo,
    ) -> SipCall:
        endpoint, login = self._gateway.endpoint, None
        if trunk.auth_password:
            login = Credentials(trunk.auth_username, trunk.auth_password)
        return endpoint.invite(
            uri,
            from_user=calling,
            display_name=request.display_name if request.HasField("display_name") else calling,
            from_host=trunk.from_host or endpoint.host,
            headers={**trunk.headers, **request.headers},
            credentials=login,
            codecs=CODECS,
            ring_secs=secs(request.ringing_timeout) or RINGING_SECS,
            tag=call_id,
        )

    def _participant(
        self, request: pb.CreateSIPParticipantRequest, attributes: Mapping[str, str]
    ) -> PhoneParticipant:
        return PhoneParticipant(
            self._rooms.open(request.room_name),
            request.participant_identity or f"sip_{request.sip_call_to}",
            name=request.participant_name,
            metadata=request.participant_metadata,
            attributes=attributes,
        )

    def _target(self, number: str, trunk: pb.SIPOutboundTrunkInfo) -> str | None:
        """The URI to call; None when the gateway itself is meant and knows no phone of it."""
        uri = _uri(number, trunk)
        if uri.address == self._gateway.address:
            return self._gateway.registrar.contact(number)
        return uri.bare()

    def _terms(
        self, request: pb.CreateSIPParticipantRequest, trunk: pb.SIPOutboundTrunkInfo
    ) -> CallTerms:
        return replace(
            self._gateway.terms(),
            max_secs=secs(request.max_call_duration) or MAX_CALL_SECS,
            attributes_to_headers=dict(trunk.attributes_to_headers),
            headers_to_attributes=dict(trunk.headers_to_attributes),
            include_headers=request.include_headers or trunk.include_headers,
            media_timeout_secs=secs(request.media.media_timeout) or secs(trunk.media.media_timeout),
        )


def _uri(number: str, trunk: pb.SIPOutboundTrunkInfo) -> SipUri:
    if trunk.transport not in (pb.SIP_TRANSPORT_AUTO, pb.SIP_TRANSPORT_UDP):
        raise TwirpError("unimplemented", "only SIP over UDP is served here")
    host, _, port = trunk.address.partition(":")
    params = (("transport", "udp"),) if trunk.transport == pb.SIP_TRANSPORT_UDP else ()
    try:
        uri = SipUri(number, host, int(port) if port else None, params)
        _ = uri.address
        return uri
    except ValueError as exc:  # a port that is none, or a host that is no IPv4 address
        raise invalid(f"invalid request URI: {trunk.address}: {exc}") from exc
