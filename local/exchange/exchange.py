"""The exchange put together: rooms, signalling, HTTP API, dispatch, webhooks, telephone gateway."""

import contextlib
from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from loguru import logger

from local.exchange.config import ExchangeConfig
from local.exchange.dispatch import Dispatcher
from local.exchange.dispatch_rule_service import DispatchRuleService
from local.exchange.dispatch_service import AgentDispatchService
from local.exchange.gateway import SipGateway
from local.exchange.inbound_trunk_service import InboundTrunkService
from local.exchange.limits import ConnectionLimit
from local.exchange.network import ONLY_LOOPBACK_REMEDY, only_loopback
from local.exchange.outbound_trunk_service import OutboundTrunkService
from local.exchange.room_service import RoomService
from local.exchange.rooms import Rooms
from local.exchange.signalling import Signalling
from local.exchange.sip_participant_service import SipParticipantService
from local.exchange.telephony_config import load_telephony, name_own_address
from local.exchange.twirp import TwirpApi
from local.exchange.webhooks import Webhooks
from local.exchange.worker_hub import WorkerHub

_MAX_BODY_BYTES = 4 << 20
_SHUTDOWN_SECS = 2.0
# Three websockets a call at most, so hundreds of calls from one machine.
_MAX_OPEN_PER_SOURCE = 1000


class Exchange:
    """A running exchange; made by ``await Exchange.start(config)``, ended by ``await close()``."""

    def __init__(self, config: ExchangeConfig):
        self.config = config
        self.keys = {config.api_key: config.api_secret.get_secret_value()}
        with _port_named("media", config.rtc_port):
            self.rooms = Rooms(self.keys, config.host, config.rtc_port)
        self._signalling = Signalling(self.rooms)
        self._workers = WorkerHub(self.keys, self.rooms.server_info)
        self.dispatcher = Dispatcher(
            self.rooms, self._workers, config.api_key, realistic=config.realistic
        )
        self._webhooks = Webhooks(config.webhooks, config.api_key, self.keys[config.api_key])
        self.rooms.on_event.append(self._webhooks.on_event)
        self.telephony = load_telephony(config)
        self._gateway = SipGateway(config, self.rooms, self.telephony)
        self._runner: web.AppRunner | None = None
        self._http_port = 0

    @classmethod
    async def start(cls, config: ExchangeConfig) -> "Exchange":
        """Listen on all ports.

        Raises:
            OSError: If a port is taken; nothing is left open then.
        """
        if only_loopback():
            logger.warning(ONLY_LOOPBACK_REMEDY)
        exchange = cls(config)
        try:
            await exchange._listen()
        except BaseException:
            await exchange.close()
            raise
        return exchange

    @property
    def url(self) -> str:
        """Address for LiveKit clients, ``ws://host:port``."""
        return f"ws://{self.config.host}:{self._http_port}"

    @property
    def http_url(self) -> str:
        """Address for livekit-api."""
        return f"http://{self.config.host}:{self._http_port}"

    @property
    def sip_address(self) -> str:
        """Where phones call, ``host:port`` over UDP."""
        host, port = self._gateway.address
        return f"{host}:{port}"

    def describe(self) -> str:
        """Say where it listens, in one line."""
        return f"LiveKit {self.url}, SIP udp/{self.sip_address}, media udp/{self.rooms.ice.port}"

    async def close(self) -> None:
        """End all calls, rooms and connections."""
        await self._gateway.close()
        await self._signalling.close()
        await self.rooms.close()
        await self.dispatcher.close()
        await self._webhooks.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        limit = ConnectionLimit(_MAX_OPEN_PER_SOURCE)
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_limited(limit)])
        app.add_routes([web.get("/", _alive)])
        app.add_routes(self._signalling.routes())
        app.add_routes(self._workers.routes())
        services = {
            "livekit.RoomService": [RoomService(self.rooms)],
            "livekit.AgentDispatchService": [AgentDispatchService(self.rooms, self.dispatcher)],
            "livekit.SIP": [
                InboundTrunkService(self.telephony),
                OutboundTrunkService(self.telephony),
                DispatchRuleService(self.telephony),
                SipParticipantService(self.telephony, self.rooms, self._gateway),
            ],
        }
        app.add_routes(TwirpApi(self.keys, services).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.host, self.config.http_port)
        with _port_named("HTTP", self.config.http_port):
            await site.start()
        self._http_port = self._runner.addresses[0][1]
        self.rooms.start()
        with _port_named("SIP", self.config.sip_port):
            await self._gateway.start()
        name_own_address(self.telephony, self.sip_address)


def _limited(limit: ConnectionLimit) -> Middleware:
    """Answer 429 to an address that holds too many requests and websockets open."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        source = request.remote or ""
        if not limit.enter(source):
            return web.Response(status=429, text="too many connections")
        try:
            return await handler(request)
        finally:
            limit.leave(source)

    return middleware


@contextlib.contextmanager
def _port_named(purpose: str, port: int) -> Iterator[None]:
    """Name the port in an error about it."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, f"{purpose} port {port}: {exc.strerror or exc}") from exc


async def _alive(request: web.Request) -> web.Response:
    # livekit-client in a browser looks here whether the network is back.
    return web.Response(text="OK", headers={"Access-Control-Allow-Origin": "*"})
