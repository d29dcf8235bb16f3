"""Calls that LiveKit places for us: a phone that is called, a trunk to it, a bot in the room."""

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from livekit import api, rtc
from livekit.protocol import sip as sip_pb

from local.sip.behaviour import Behaviour
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from tests.fakes_deployment import Deployment, digits
from tests.fakes_exchange import Client
from tests.fakes_phone import Phone

LOGIN = {"auth_username": "user", "auth_password": "right-password"}
CALLER_ID = "+15550100"
_PHRASES = {
    302: "Moved Temporarily",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    503: "Service Unavailable",
    603: "Decline",
}


class Callee(Phone):
    """A phone that is called; the number says what it does.

    ``9486`` refuses with 486, ``ring`` rings, ``silent`` says nothing, ``login`` wants a password;
    every other number is answered.
    """

    def __init__(self, endpoint: SipEndpoint):
        super().__init__(endpoint)
        self.calls: asyncio.Queue[SipCall] = asyncio.Queue()
        self._users = endpoint.digest_server({LOGIN["auth_username"]: LOGIN["auth_password"]})

    @classmethod
    async def open(cls, **options: Any) -> "Callee":
        async def take(call: SipCall) -> None:
            await callee.take(call)

        behaviour = Behaviour(digest_refusal=None)  # a wrong password is challenged again
        callee = cls(await SipEndpoint.open(on_invite=take, behaviour=behaviour, **options))
        return callee

    @property
    def address(self) -> str:
        host, port = self.endpoint.address
        return f"{host}:{port}"

    def uri(self, number: str) -> str:
        return f"sip:{number}@{self.address}"

    async def take(self, call: SipCall) -> None:
        number = call.to_user
        if number == "login" and not call.authorized(self._users):
            return
        if number.startswith("9"):
            call.reject(int(number[1:]), _PHRASES[int(number[1:])])
            return
        self.calls.put_nowait(call)
        if number == "silent":
            call.ignore()
            return
        call.ringing()
        if number == "ring":
            return
        self.take_up(call)
        await call.answer({"X-Tenant": "acme"})


@dataclass
class Outgoing:
    """A room with a bot in it, and a trunk to the phone."""

    livekit: Deployment
    callee: Callee
    trunk_id: str
    room: str
    bot: Client

    @classmethod
    async def open(cls, livekit: Deployment, **trunk: Any) -> "Outgoing":
        callee = await Callee.open()
        livekit.closes(callee)
        trunk_id = await livekit.outbound_trunk(callee.address, **trunk)
        room = f"out-{digits(8)}"
        bot = await livekit.join(livekit.token("bot", room, kind="agent"))
        await bot.publish("bot-audio")
        return cls(livekit, callee, trunk_id, room, bot)

    async def dial(self, number: str = "person", **request: Any) -> sip_pb.SIPParticipantInfo:
        """Call the phone; waits for its answer unless told otherwise."""
        defaults = {
            "sip_trunk_id": self.trunk_id,
            "sip_call_to": number,
            "room_name": self.room,
            "participant_identity": "phone",
            "wait_until_answered": True,
        }
        dial = sip_pb.CreateSIPParticipantRequest(**{**defaults, **request})
        return await self.livekit.client.sip.create_sip_participant(dial)

    async def up(self, number: str = "person", **request: Any) -> SipCall:
        """A call that is up and that the bot knows to be, from the phone's side."""
        made = await self.dial(number, **request)
        await self.status("active", made.participant_identity)
        return await self.callee.calls.get()

    async def status(self, wanted: str, identity: str = "phone", secs: float = 8.0) -> None:
        """Wait until the bot knows of a ``sip.callStatus``."""
        count = 1
        async with asyncio.timeout(secs):
            while wanted not in self.statuses(identity):
                await self.bot.wait_for("participant_attributes_changed", count, secs)
                count += 1

    async def transfer(
        self, to: str, identity: str = "phone", **request: Any
    ) -> sip_pb.TransferSIPParticipantResponse:
        return await self.livekit.client.sip.transfer_sip_participant(
            sip_pb.TransferSIPParticipantRequest(
                room_name=self.room, participant_identity=identity, transfer_to=to, **request
            )
        )

    async def listen(self, identity: str, hear: str, subscribe: bool) -> None:
        """Let ``identity`` hear the tracks of ``hear``, or not."""
        heard = await self.livekit.client.room.get_participant(
            api.RoomParticipantIdentity(room=self.room, identity=hear)
        )
        await self.livekit.client.room.update_subscriptions(
            api.UpdateSubscriptionsRequest(
                room=self.room,
                identity=identity,
                track_sids=[track.sid for track in heard.tracks],
                subscribe=subscribe,
            )
        )

    def statuses(self, identity: str = "phone") -> list[str]:
        """Every ``sip.callStatus`` the bot was told of a phone, but the first."""
        return [
            changed["sip.callStatus"]
            for changed, who in self.bot.of("participant_attributes_changed")
            if who.identity == identity and "sip.callStatus" in changed
        ]

    async def gone(self, count: int = 1) -> str:
        """Wait until a phone has left; returns the reason's name."""
        (participant,) = await self.bot.wait_for("participant_disconnected", count)
        return rtc.DisconnectReason.Name(participant.disconnect_reason)


def strength(heard: list[np.ndarray], hertz: float, frames: int = 25) -> float:
    """How loud one pitch is in the last frames heard, 0 to 32767."""
    if len(heard) < frames:
        return 0.0
    samples = np.concatenate(heard[-frames:]).astype(float)
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.dot(samples, wave)) / len(samples))
