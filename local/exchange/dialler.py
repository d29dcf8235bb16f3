"""Places calls for the API: which address, which caller id, whose participant."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

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
from local.sip.digest import Credentials
from local.sip.uri import SipUri


@dataclass(frozen=True)
class Way:
    """How a call leaves: an outbound trunk, or what the request says in its place.

    Parameters:
        trunk_id: Empty when the request brings its own.
        address: ``host[:port]``.
    """

    trunk_id: str
    address: str
    transport: pb.SIPTransport
    user: str
    password: str = field(repr=False)
    from_host: str
    headers: Mapping[str, str]
    headers_to_attributes: Mapping[str, str]
    attributes_to_headers: Mapping[str, str]
    include_headers: pb.SIPHeaderOptions
    numbers: tuple[str, ...]
    media_timeout_secs: float

    @classmethod
    def of_trunk(cls, trunk: pb.SIPOutboundTrunkInfo) -> "Way":
        """Take an outbound trunk."""
        return cls(
            trunk_id=trunk.sip_trunk_id,
            address=trunk.address,
            transport=trunk.transport,
            user=trunk.auth_username,
            password=trunk.auth_password,
            from_host=trunk.from_host,
            headers=dict(trunk.headers),
            headers_to_attributes=dict(trunk.headers_to_attributes),
            attributes_to_headers=dict(trunk.attributes_to_headers),
            include_headers=trunk.include_headers,
            numbers=tuple(trunk.numbers),
            media_timeout_secs=secs(trunk.media.media_timeout),
        )

    @classmethod
    def of_request(cls, config: pb.SIPOutboundConfig) -> "Way":
        """Take what a request says."""
        return cls(
            trunk_id="",
            address=config.hostname,
            transport=config.transport,
            user=config.auth_username,
            password=config.auth_password,
            from_host=config.from_host,
            headers={},
            headers_to_attributes=dict(config.headers_to_attributes),
            attributes_to_headers=dict(config.attributes_to_headers),
            include_headers=pb.SIP_NO_HEADERS,
            numbers=(),
            media_timeout_secs=0.0,
        )


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

    def dial(self, request: pb.CreateSIPParticipantRequest, way: Way) -> PlacedCall:
        """Place a call; the INVITE has left when this returns.

        Raises:
            TwirpError: If the way has no caller id or no address that can be called.
        """
        calling = request.sip_number or (random.choice(way.numbers) if way.numbers else "")
        if not calling:
            raise TwirpError("failed_precondition", "no numbers on outbound trunk")
        uri, call_id = self._target(request.sip_call_to, way), new_id("SCL_")
        participant = self._participant(
            request,
            dial_attributes(
                call_id,
                Dialled(request.sip_call_to, calling, way.address),
                way.trunk_id,
                request.participant_attributes,
                hidden=request.hide_phone_number,
            ),
        )
        participant.enter(listening=False)
        if uri is None:
            logger.warning(f"{participant}: no phone has registered for the number; 404")
            participant.room.leave(participant, models.USER_UNAVAILABLE)
            return PlacedCall(participant, call_id, None)
        call = self._gateway.endpoint.invite(
            uri,
            from_user=calling,
            display_name=request.display_name if request.HasField("display_name") else calling,
            from_host=way.from_host or self._gateway.endpoint.host,
            headers={**way.headers, **request.headers},
            credentials=Credentials(way.user, way.password) if way.password else None,
            codecs=CODECS,
            ring_secs=secs(request.ringing_timeout) or RINGING_SECS,
            tag=call_id,
        )
        phone = OutgoingCall(
            call,
            participant,
            self._terms(request, way),
            keys=request.dtmf,
            with_password=bool(way.password),
            ringback=request.play_dialtone or request.play_ringtone,
        )
        logger.info(f"{participant}: dialling")
        self._gateway.calls.begin(phone)
        return PlacedCall(participant, call_id, phone)

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

    def _target(self, number: str, way: Way) -> str | None:
        """The URI to call; None when the gateway itself is meant and knows no phone of it."""
        uri = _uri(number, way)
        if uri.address == self._gateway.address:
            return self._gateway.registrar.contact(number)
        return uri.bare()

    def _terms(self, request: pb.CreateSIPParticipantRequest, way: Way) -> CallTerms:
        return replace(
            self._gateway.terms(),
            max_secs=secs(request.max_call_duration) or MAX_CALL_SECS,
            attributes_to_headers=way.attributes_to_headers,
            headers_to_attributes=way.headers_to_attributes,
            include_headers=request.include_headers or way.include_headers,
            media_timeout_secs=secs(request.media.media_timeout) or way.media_timeout_secs,
        )


def _uri(number: str, way: Way) -> SipUri:
    if way.transport not in (pb.SIP_TRANSPORT_AUTO, pb.SIP_TRANSPORT_UDP):
        raise TwirpError("unimplemented", "only SIP over UDP is served here")
    host, _, port = way.address.partition(":")
    params = (("transport", "udp"),) if way.transport == pb.SIP_TRANSPORT_UDP else ()
    try:
        uri = SipUri(number, host, int(port) if port else None, params)
        _ = uri.address
        return uri
    except ValueError as exc:  # a port that is none, or a host that is no IPv4 address
        raise invalid(f"invalid request URI: {way.address}: {exc}") from exc
