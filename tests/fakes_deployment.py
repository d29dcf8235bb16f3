"""What the contract is checked against: an exchange in this process, or a deployment of LiveKit.

A deployment is named by LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET and SIP_ADDRESS
(host:port). Its webhooks are checked when LIVEKIT_WEBHOOK_LISTEN (host:port) is what its
configuration posts to.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.api import LiveKitAPI
from livekit.protocol import agent as agent_pb
from livekit.protocol import room as room_pb
from livekit.protocol import sip as sip_pb
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from local.exchange.exchange import Exchange
from local.sip.call import SipCall
from tests.fakes_exchange import KEY, SECRET, Client, free_config
from tests.fakes_phone import Phone
from tests.fakes_webhooks import WebhookReceiver
from tests.fakes_worker import FakeWorker, worker_token

NAMES = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "SIP_ADDRESS")
DEPLOYED = all(os.environ.get(name) for name in NAMES)
# After a worker registers, livekit-server launches jobs half-blind for 5 s: a job that ends in that
# time gets no termination.
WARM_SECS = 6.0


def digits(count: int) -> str:
    return "".join(random.choices("0123456789", k=count))


@dataclass
class Line:
    """A number that can be called, with the trunk and the rule behind it."""

    number: str
    trunk_id: str
    rule_id: str


@dataclass
class Deployment:
    """A LiveKit with a SIP bridge; ``line`` makes a number of it, ``close`` removes all traces."""

    url: str
    key: str
    secret: str
    sip_address: str
    client: LiveKitAPI
    exchange: Exchange | None = None
    webhooks: WebhookReceiver | None = None
    agent_name: str = field(default_factory=lambda: f"contract-{digits(8)}")
    caller: str = field(default_factory=lambda: f"+1555{digits(7)}")
    _lines: list[Line] = field(default_factory=list)
    _open: list[Any] = field(default_factory=list)
    _rooms: set[str] = field(default_factory=set)

    @classmethod
    async def open(cls) -> "Deployment":
        if DEPLOYED:
            url, key, secret, sip_address = (os.environ[name] for name in NAMES)
            deployment = cls(url, key, secret, sip_address, _client(url, key, secret))
            if listen := os.environ.get("LIVEKIT_WEBHOOK_LISTEN"):
                host, _, port = listen.rpartition(":")
                deployment.webhooks = WebhookReceiver(key, secret)
                await deployment.webhooks.start(host, int(port))
            return deployment
        return await cls.start()

    @classmethod
    async def start(cls, **config: Any) -> "Deployment":
        """An exchange in this process, whatever the environment names."""
        webhooks = WebhookReceiver(KEY, SECRET)
        exchange = await Exchange.start(free_config(webhooks=(await webhooks.start(),), **config))
        client = _client(exchange.url, KEY, SECRET)
        return cls(exchange.url, KEY, SECRET, exchange.sip_address, client, exchange, webhooks)

    async def line(
        self, trunk: Mapping[str, Any] | None = None, rule: Mapping[str, Any] | None = None
    ) -> Line:
        """Make a number whose calls each get a room with our agent."""
        number = f"+1555{digits(7)}"
        made = await self.client.sip.create_inbound_trunk(
            sip_pb.CreateSIPInboundTrunkRequest(
                trunk=sip_pb.SIPInboundTrunkInfo(
                    name=number, **{"numbers": [number], **(trunk or {})}
                )
            )
        )
        line = Line(number, made.sip_trunk_id, "")
        self._lines.append(line)
        agents = [RoomAgentDispatch(agent_name=self.agent_name, metadata='{"cfg":1}')]
        defaults = {
            "rule": individual("call"),
            "room_config": room_pb.RoomConfiguration(agents=agents, departure_timeout=1),
        }
        info = sip_pb.SIPDispatchRuleInfo(
            name=number, trunk_ids=[line.trunk_id], **{**defaults, **(rule or {})}
        )
        request = sip_pb.CreateSIPDispatchRuleRequest(dispatch_rule=info)
        line.rule_id = (await self.client.sip.create_dispatch_rule(request)).sip_dispatch_rule_id
        return line

    async def worker(self, agent_name: str | None = None, **options: Any) -> FakeWorker:
        worker = await FakeWorker.register(
            self.url,
            worker_token(self.key, self.secret),
            self.agent_name if agent_name is None else agent_name,
            **options,
        )
        self._open.append(worker)
        return worker

    async def phone(self) -> Phone:
        phone = await Phone.open()
        self._open.append(phone)
        return phone

    def closes(self, opened: Any) -> None:
        """Close something with the rest."""
        self._open.append(opened)

    async def outbound_trunk(self, address: str, **trunk: Any) -> str:
        """Make a trunk to an address; returns its id."""
        defaults = {"name": f"contract-{digits(8)}", "address": address, "numbers": ["+15550100"]}
        made = await self.client.sip.create_outbound_trunk(
            sip_pb.CreateSIPOutboundTrunkRequest(
                trunk=sip_pb.SIPOutboundTrunkInfo(**{**defaults, **trunk})
            )
        )
        self._lines.append(Line("", made.sip_trunk_id, ""))
        return made.sip_trunk_id

    async def join(self, jwt: str, **options: Any) -> Client:
        client = await Client.join(self.url, jwt, **options)
        self._open.append(client.room)
        self._rooms.add(client.room.name)
        return client

    def token(self, identity: str, room: str, *, kind: str = "", **grants: Any) -> str:
        made = (
            api.AccessToken(self.key, self.secret)
            .with_identity(identity)
            .with_grants(api.VideoGrants(room_join=True, room=room, **grants))
        )
        return (made.with_kind(kind) if kind else made).to_jwt()

    async def warm(self) -> None:
        """Let a deployment's dispatch settle after a worker registered."""
        if self.exchange is None:
            await asyncio.sleep(WARM_SECS)

    async def ringing(self, **options: Any) -> "Ringing":
        """A call that rings, and the bot in its room that has not published yet."""
        line = await self.line(**options)
        worker = await self.worker()
        await self.warm()
        phone = await self.phone()
        call = phone.dial(line.number, self.sip_address, from_user=self.caller)
        assignment = await worker.accept(f"bot-{digits(6)}")
        self._rooms.add(assignment.job.room.name)
        bot = await self.join(assignment.token)
        await call.wait_ringing()
        return Ringing(self, line, worker, phone, call, assignment, bot)

    async def answered(self, **options: Any) -> "Ringing":
        """A call that is up, its status active."""
        ringing = await self.ringing(**options)
        await ringing.bot.publish("bot-audio")
        await ringing.call.wait_answered()
        await ringing.status("active")
        return ringing

    async def close(self) -> None:
        for opened in reversed(self._open):
            if isinstance(opened, rtc.Room):
                await opened.disconnect()
            else:
                await opened.close()
        for line in self._lines:
            if line.rule_id:
                await self.client.sip.delete_dispatch_rule(
                    sip_pb.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=line.rule_id)
                )
            await self.client.sip.delete_trunk(
                sip_pb.DeleteSIPTrunkRequest(sip_trunk_id=line.trunk_id)
            )
        for room in (await self.client.room.list_rooms(api.ListRoomsRequest())).rooms:
            if room.name in self._rooms:
                await self.client.room.delete_room(api.DeleteRoomRequest(room=room.name))
        await self.client.aclose()
        if self.exchange:
            await self.exchange.close()
        if self.webhooks:
            await self.webhooks.close()


@dataclass
class Ringing:
    """A call with everybody in it."""

    deployment: Deployment
    line: Line
    worker: FakeWorker
    phone: Phone
    call: SipCall
    assignment: agent_pb.JobAssignment
    bot: Client

    @property
    def room(self) -> str:
        return self.assignment.job.room.name

    @property
    def caller(self) -> rtc.RemoteParticipant:
        """The phone's participant, as the bot sees it; the last it saw when it has left."""
        present = [p for p in self.bot.room.remote_participants.values() if p.kind == 3]
        left = [args[0] for args in self.bot.of("participant_disconnected")]
        return (present or left)[0]

    def statuses(self) -> list[str]:
        """Every ``sip.callStatus`` the bot was told."""
        changes = [args[0] for args in self.bot.of("participant_attributes_changed")]
        return [c["sip.callStatus"] for c in changes if "sip.callStatus" in c]

    async def status(self, wanted: str, secs: float = 8.0) -> None:
        count = 1
        async with asyncio.timeout(secs):
            while wanted not in self.statuses():
                await self.bot.wait_for("participant_attributes_changed", count)
                count += 1

    async def caller_gone(self) -> str:
        """Wait until the caller has left; returns the reason's name."""
        (participant,) = await self.bot.wait_for("participant_disconnected")
        return rtc.DisconnectReason.Name(participant.disconnect_reason)


def _client(url: str, key: str, secret: str) -> LiveKitAPI:
    return LiveKitAPI(url.replace("ws", "http", 1), key, secret)


def individual(prefix: str, **more: Any) -> sip_pb.SIPDispatchRule:
    return sip_pb.SIPDispatchRule(
        dispatch_rule_individual=sip_pb.SIPDispatchRuleIndividual(room_prefix=prefix, **more)
    )


def secs(value: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(value * 1000))
    return duration
