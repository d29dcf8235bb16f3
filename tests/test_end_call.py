"""A BYE with headers, and every way in which LiveKit's answer to it comes or does not."""

import asyncio
import json

import pytest
from livekit import rtc

from tests.fakes_room import FakeParticipant, FakeRoom
from transports import end_call as subject
from transports.end_call import end_call


class _Line:
    """A room with one phone, whose bridge answers the RPC as it is told."""

    def __init__(self, answer):
        self.room = FakeRoom()
        self.phone = self.room.join(FakeParticipant("sip_caller"))
        self.asked: list[dict] = []
        self._answer = answer
        self.room.local_participant.perform_rpc = self._perform  # pyright: ignore

    async def _perform(self, **request) -> str:
        self.asked.append(request)
        return await self._answer(self)

    async def end(self) -> bool:
        return await end_call(self.room, "sip_caller", {"X-Outcome": "idle"})  # pyright: ignore


async def _done(_: _Line) -> str:
    return "{}"


async def _leaves_without_answer(line: _Line) -> str:
    line.room.leave(line.phone, rtc.DisconnectReason.CLIENT_INITIATED)
    await asyncio.Event().wait()
    return ""


async def _never(_: _Line) -> str:
    await asyncio.Event().wait()
    return ""


def _refusing(code: int):
    async def refuse(_: _Line) -> str:
        raise rtc.RpcError(code, "no")

    return refuse


async def test_leg_is_ended_by_a_bye_with_the_headers_given():
    line = _Line(_done)
    assert await line.end()
    assert line.asked[0]["destination_identity"] == "sip_caller"
    assert line.asked[0]["method"] == "lk.sip.EndCall"
    assert json.loads(line.asked[0]["payload"]) == {"headers": {"X-Outcome": "idle"}}


async def test_leg_that_takes_the_answer_with_it_is_gone_at_once():
    assert await asyncio.wait_for(_Line(_leaves_without_answer).end(), 1)


@pytest.mark.parametrize("code, gone", [(1503, True), (1400, False), (1501, False), (1401, False)])
async def test_error_tells_whether_the_leg_must_be_ended_another_way(code, gone):
    assert await _Line(_refusing(code)).end() is gone


async def test_bridge_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(subject, "END_SECS", 0.05)
    line = _Line(_never)
    assert not await line.end()
    line.room.leave(line.phone, None)  # nobody listens any more


async def test_phone_that_is_not_in_the_room_needs_no_bye():
    line = _Line(_never)
    line.room.leave(line.phone, None)
    assert await line.end() and not line.asked
