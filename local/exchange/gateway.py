"""The telephone gateway: lets calls in by trunk and rule and puts them into rooms.

What the phone sees is what livekit-sip shows: 100 ``Processing``, 180 each second, no answer at all
without trunk or rule, 486 ``Rejected`` for a call that the room turns down.
"""

from dataclasses import replace

from livekit.protocol import sip as pb
from loguru import logger

from local.exchange.config import ExchangeConfig
from local.exchange.ids import new_id
from local.exchange.incoming_call import IncomingCall
from local.exchange.phone_call import MAX_CALL_SECS, RINGING_SECS, CallTerms
from local.exchange.phone_calls import PhoneCalls
from local.exchange.phone_participant import PhoneParticipant
from local.exchange.pin_prompt import ask_pin
from local.exchange.registrar import PhoneAccount, Registrar
from local.exchange.rooms import Rooms
from local.exchange.sip_attributes import call_attributes
from local.exchange.sip_behaviour import CODECS, sip_behaviour
from local.exchange.sip_requests import secs
from local.exchange.trunks import Dialled, Telephony, identity, pin_of, room_name
from local.sip.call import SipCall
from local.sip.digest import DigestServer
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipParseError
from local.sip.sdp import negotiate, parse_sdp

# What livekit-sip adds to the delays of this exchange, by its measured 92 and 141 ms.
REALISTIC_TO_ROOM_SECS, REALISTIC_TO_PHONE_SECS = 0.048, 0.115


class SipGateway:
    """Takes calls on one UDP port.

    Parameters:
        calls: All calls, those that came in and those that were placed.
        registrar: Where the phones of the configuration are.
    """

    def __init__(self, config: ExchangeConfig, rooms: Rooms, telephony: Telephony):
        """Prepare; ``start`` listens.

        Args:
            config: Address, users, trusted networks, delays.
            rooms: Where calls go.
            telephony: Trunks and rules, looked up for every call.
        """
        self._config, self._rooms, self._telephony = config, rooms, telephony
        self._endpoint: SipEndpoint | None = None
        self.calls = PhoneCalls()
        self._digest: dict[str, DigestServer] = {}
        phones = [
            PhoneAccount(p.number, p.user, p.password.get_secret_value()) for p in config.phones
        ]
        self.registrar = Registrar(phones, new_tag=lambda: new_id("SCL_"))

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.endpoint.address

    @property
    def endpoint(self) -> SipEndpoint:
        """Its SIP side, once started."""
        assert self._endpoint is not None, "the gateway has not been started"
        return self._endpoint

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: If the port is taken.
        """
        config = self._config
        users = {name: secret.get_secret_value() for name, secret in config.users.items()}
        self._endpoint = await SipEndpoint.open(
            config.host,
            config.sip_port,
            on_invite=self._on_invite,
            trusted=config.trusted or ("0.0.0.0/0" if users else "127.0.0.0/8",),
            users=users or None,
            user_agent="",
            behaviour=sip_behaviour(config),
        )
        if config.phones:
            self._endpoint.on_register = self.registrar.on_register
        self.calls.start()

    async def close(self) -> None:
        """Hang all phones up, then stop listening."""
        if self._endpoint is not None:
            await self.calls.hang_up()
            await self._endpoint.close()
        await self.calls.close()

    def terms(self) -> CallTerms:
        """Return the terms of any call: the delays of the configuration."""
        realistic = self._config.realistic
        return CallTerms(
            to_room_secs=REALISTIC_TO_ROOM_SECS if realistic else 0.0,
            to_phone_secs=REALISTIC_TO_PHONE_SECS if realistic else 0.0,
        )

    async def _on_invite(self, call: SipCall) -> None:
        assert call.incoming is not None
        source = call.incoming.request.via.reply_address[0]
        dialled = Dialled(call.to_user, call.from_user, source)
        trunk = self._telephony.find_trunk(dialled)
        if trunk is None:
            self._ignore(call, self._telephony.refusals(dialled))
            return
        if trunk.auth_username and not call.authorized(self._digest_of(trunk)):
            return
        call.ringing()
        rule = self._telephony.find_rule(trunk, dialled)
        if rule is None:
            self._ignore(call, f"no dispatch rule for trunk {trunk.name or trunk.sip_trunk_id}")
            return
        try:
            negotiate(parse_sdp(call.incoming.request.body), CODECS)
        except SipParseError as exc:
            logger.warning(f"{call}: refused with 400, {exc}")
            call.reject(400, "")
            return
        if pin_of(rule):
            rule = await ask_pin(
                call,
                lambda pin: self._telephony.find_rule(trunk, dialled, pin),
                dict(trunk.headers),
            )
        if rule is not None:
            self._put_through(call, dialled, trunk, rule)

    def _put_through(
        self,
        call: SipCall,
        dialled: Dialled,
        trunk: pb.SIPInboundTrunkInfo,
        rule: pb.SIPDispatchRuleInfo,
    ) -> None:
        config = rule.room_config if rule.HasField("room_config") else None
        room = self._rooms.open(room_name(rule, dialled), config)
        who, name = identity(rule, dialled)
        participant = PhoneParticipant(
            room,
            who,
            name=name,
            metadata=rule.metadata,
            attributes=call_attributes(call, dialled, trunk, rule),
        )
        logger.info(f"{participant}: call from {dialled.source} {call.state}")
        self.calls.begin(IncomingCall(call, participant, self._terms(trunk, rule)))

    def _ignore(self, call: SipCall, why: str) -> None:
        logger.warning(f"{call}: ignored after one 180, as livekit-sip does: {why}")
        if call.state == "calling":
            call.ringing()
        call.ignore()

    def _terms(self, trunk: pb.SIPInboundTrunkInfo, rule: pb.SIPDispatchRuleInfo) -> CallTerms:
        return replace(
            self.terms(),
            ringing_secs=secs(trunk.ringing_timeout) or RINGING_SECS,
            max_secs=secs(trunk.max_call_duration) or MAX_CALL_SECS,
            headers=dict(trunk.headers),
            attributes_to_headers=dict(trunk.attributes_to_headers),
            media_timeout_secs=secs(rule.media.media_timeout) or secs(trunk.media.media_timeout),
        )

    def _digest_of(self, trunk: pb.SIPInboundTrunkInfo) -> DigestServer:
        key = f"{trunk.sip_trunk_id} {trunk.auth_username} {trunk.auth_password}"
        if key not in self._digest:
            users = {trunk.auth_username: trunk.auth_password}
            self._digest[key] = self.endpoint.digest_server(users)
        return self._digest[key]
