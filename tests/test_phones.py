"""Phones of this machine are called by their number over the trunk ``local``."""

import asyncio
import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from livekit import api

from local.callers.human import Human
from local.callers.human_scripts import BUSY
from local.exchange.exchange import Exchange
from local.stack.phones import phones_of_this_run
from local.stack.plan import LiveKitAccess, child_commands, child_environments
from local.stack.ports import Ports
from local.stack.stack import Stack, StackConfig
from tests.fakes_exchange import KEY, SECRET, free_config

LOGINS = [
    {"number": "+15550180", "user": "15550180", "password": "secret"},
    {"number": "+15550190", "user": "15550190", "password": "secret"},
]


class Deaf:
    """Ears that are never needed."""

    async def transcribe(self, pcm: np.ndarray) -> str:
        return ""


async def dial(url: str, number: str, key: str = KEY, secret: str = SECRET) -> str:
    """Dial a number over the trunk ``local`` into a room; returns the participant's identity."""
    async with api.LiveKitAPI(url, key, secret) as livekit:
        trunks = await livekit.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
        (trunk,) = [item for item in trunks.items if item.name == "local"]
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=trunk.sip_trunk_id,
            sip_call_to=number,
            room_name="room-of-this-test",
            participant_identity="phone",
            wait_until_answered=True,
        )
        return (await livekit.sip.create_sip_participant(request)).participant_identity


@pytest.fixture
async def exchange():
    trunks = [{"name": "local", "numbers": ["+15550100"]}]
    exchange = await Exchange.start(free_config(phones=LOGINS, outbound_trunks=trunks))
    yield exchange
    await exchange.close()


async def test_a_foreign_phone_registers_and_is_called_by_its_number(exchange):
    baresip = pytest.importorskip("baresip", reason="baresip-python is not installed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    runtime = baresip.Runtime()
    await runtime.start(
        baresip.Config(
            net_interface="127.0.0.1",
            native_log_level="error",
            extra_config_text=f"sip_listen 127.0.0.1:{port}\nrtp_ports 42000-42999\n",
        )
    )
    try:
        phone = LOGINS[0]
        account = baresip.Account(
            phone["user"], exchange.sip_address, phone["password"], reg_interval=60
        )
        agent = await baresip.UserAgent.create(runtime, account)
        answered: list = []

        async def answer(call) -> None:
            await call.answer()
            answered.append(call)

        tasks: list[asyncio.Task] = []
        agent.on_incoming(lambda call: tasks.append(asyncio.create_task(answer(call))))
        await agent.register()
        async with asyncio.timeout(10):
            assert await dial(exchange.http_url, "+15550180") == "phone"
            while not answered:  # noqa: ASYNC110 - baresip tells nothing
                await asyncio.sleep(0.01)
        await answered[0].hangup()
        await agent.unregister()
    finally:
        await runtime.close()


async def test_a_number_that_nobody_registered_is_not_found(exchange):
    for number in ("+15550190", "+15550123"):
        with pytest.raises(api.TwirpError) as refused:
            await dial(exchange.http_url, number)
        assert refused.value.metadata["sip_status_code"] == "404"


async def test_a_phone_that_is_busy_says_so(exchange):
    async with Human(
        BUSY, lines={}, ears=Deaf(), registrar=exchange.sip_address, login=LOGINS[0]
    ) as phone:
        with pytest.raises(api.TwirpError) as refused:
            await dial(exchange.http_url, "+15550180")
        assert refused.value.metadata["sip_status_code"] == "486"
        assert (await phone.report(5)).end_status == 486


def test_every_run_has_passwords_of_its_own_that_travel_by_environment(tmp_path: Path):
    phones, others = phones_of_this_run(), phones_of_this_run()
    assert [phone.number for phone in phones] == ["+15550180", "+15550181", "+15550190"]
    secrets = [phone.password for phone in phones]
    assert len({*secrets, *(other.password for other in others)}) == 6
    assert not [secret for secret in secrets if secret in repr(phones)]
    logins = [phone.__dict__ for phone in phones]
    commands = child_commands(Ports())
    assert not [secret for secret in secrets if secret in str(commands)]
    livekit = LiveKitAccess.for_this_run("ws://127.0.0.1:1")
    found = child_environments({}, Ports(), livekit, "key", tmp_path, phones=logins)
    assert json.loads(found["exchange"]["EXCHANGE_PHONES"]) == logins
    assert json.loads(found["human"]["HUMAN_PHONES"]) == logins[:2]
    assert not [name for name in ("server", "providers") if secrets[0] in str(found[name])]
    assert livekit.api_secret not in str(found["human"])


async def test_the_simulated_human_sits_at_the_desk_of_the_stack(tmp_path: Path):
    config = StackConfig(dict(os.environ), Ports.free(), tmp_path, human=True)
    async with Stack(config) as stack:
        path = tmp_path / "up.json"
        phones = json.loads(path.read_text())["phones"]
        assert phones == stack.address.phones and path.stat().st_mode & 0o777 == 0o600
        assert [sorted(phone) for phone in phones] == [["number", "password", "user"]] * 3
        livekit = stack.livekit
        url = livekit.url.replace("ws", "http", 1)
        async with asyncio.timeout(20):
            await dial(url, "+15550180", livekit.api_key, livekit.api_secret)
            with pytest.raises(api.TwirpError) as refused:
                await dial(url, "+15550190", livekit.api_key, livekit.api_secret)
        assert refused.value.metadata["sip_status_code"] == "404"
        async with api.LiveKitAPI(url, livekit.api_key, livekit.api_secret) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room="room-of-this-test"))
        logs = "".join(log.read_text() for log in (tmp_path / "logs").glob("*.log"))
    assert not [phone for phone in phones if phone["password"] in logs]
