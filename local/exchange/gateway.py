"""The telephone gateway: lets calls in by trunk and rule and puts them into rooms.

What the phone sees is what livekit-sip shows: 100 ``Processing``, 180 each second, no answer at all
without trunk or rule, 486 ``Rejected`` for a call that the room turns down.
"""

import asyncio
import time

from livekit.protocol import sip as pb
from loguru import logger

from local.exchange.config import ExchangeConfig
from local.exchange.ids import new_id
from local.exchange.phone_call import CallTerms, PhoneCall
from local.exchange.phone_participant import PhoneParticipant
from local.exchange.registrar import PhoneAccount, Registrar
from local.exchange.rooms import Rooms
from local.exchange.sip_attributes import call_attributes
from local.exchange.trunks import Dialled, Telephony, identity, room_name
from local.sip.behaviour import Behaviour, RtpOptions
from local.sip.call import SipCall
from local.sip.digest import DigestServer
from local.sip.endpoint import SipEndpoint
from local.sip.errors import SipParseError
from local.sip.sdp import negotiate, parse_sdp

CODECS = ("PCMU", "PCMA")
RINGING_SECS, MAX_CALL_SECS = 180.0, 86_400.0
# What livekit-sip adds to the delays of this exchange, by its measured 92 and 141 ms.
REALISTIC_TO_ROOM_SECS, REALISTIC_TO_PHONE_SECS = 0.048, 0.115
_TICK_SECS = 0.02
_ALLOW = "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE"


class SipGateway:
    """Takes calls on one UDP port.

    Parameters:
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
        self._calls: set[PhoneCall] = set()
        self._digest: dict[str, DigestServer] = {}
        self._clock: asyncio.Task[None] | None = None
        phones = [
            PhoneAccount(p.number, p.user, p.password.get_secret_value()) for p in config.phones
        ]
        self.registrar = Registrar(phones, new_tag=lambda: new_id("SCL_"))

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._endpoint is not None, "the gateway has not been started"
        return self._endpoint.address

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
            behaviour=_behaviour(config),
        )
        if config.phones:
            self._endpoint.on_register = self.registrar.on_register
        self._clock = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Hang all phones up, then stop listening."""
        if self._endpoint is not None:
            await asyncio.gather(*(call.close() for call in list(self._calls)))
            await self._endpoint.close()
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)

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
        phone = PhoneCall(call, participant, self._terms(trunk))
        self._calls.add(phone)
        logger.info(f"{participant}: call from {dialled.source} rings")
        phone.start()

    def _ignore(self, call: SipCall, why: str) -> None:
        logger.warning(f"{call}: ignored after one 180, as livekit-sip does: {why}")
        if call.state == "calling":
            call.ringing()
        call.ignore()

    def _terms(self, trunk: pb.SIPInboundTrunkInfo) -> CallTerms:
        realistic = self._config.realistic
        return CallTerms(
            ringing_secs=_secs(trunk.ringing_timeout) or RINGING_SECS,
            max_secs=_secs(trunk.max_call_duration) or MAX_CALL_SECS,
            headers=dict(trunk.headers),
            attributes_to_headers=dict(trunk.attributes_to_headers),
            to_room_secs=REALISTIC_TO_ROOM_SECS if realistic else 0.0,
            to_phone_secs=REALISTIC_TO_PHONE_SECS if realistic else 0.0,
        )

    def _digest_of(self, trunk: pb.SIPInboundTrunkInfo) -> DigestServer:
        assert self._endpoint is not None
        key = f"{trunk.sip_trunk_id} {trunk.auth_username} {trunk.auth_password}"
        if key not in self._digest:
            users = {trunk.auth_username: trunk.auth_password}
            self._digest[key] = self._endpoint.digest_server(users)
        return self._digest[key]

    async def _tick(self) -> None:
        """The 20 ms clock of all phones, on an absolute grid."""
        due = time.monotonic()
        while True:
            due = max(due + _TICK_SECS, time.monotonic() - 1)
            await asyncio.sleep(due - time.monotonic())
            now = time.monotonic()
            for phone in list(self._calls):
                if phone.call.state == "ended":
                    self._calls.discard(phone)
                else:
                    phone.tick(now)


def _behaviour(config: ExchangeConfig) -> Behaviour:
    return Behaviour(
        trying="Processing",
        trying_tag=True,
        ring_every_secs=1.0,
        new_tag=lambda: new_id("SCL_"),
        codecs=CODECS,
        own_codec_order=True,
        no_codec=(400, ""),
        offerless=False,
        follow_hold=False,
        unsupported=frozenset({"INFO", "UPDATE", "REFER"}),
        allow=_ALLOW,
        digest_phrase="Unauthorized",
        digest_realm="LiveKit",
        digest_qop=False,
        digest_refusal=(401, "Unauthorized"),
        session_name="LiveKit",
        rtp=RtpOptions(
            first_sequence=0,
            first_timestamp=0,
            initial_timeout_secs=config.media_timeout_initial_secs,
            later_timeout_secs=config.media_timeout_secs,
            timeout_on_hold=True,
        ),
    )


def _secs(duration) -> float:
    return duration.ToTimedelta().total_seconds()
