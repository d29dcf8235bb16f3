import asyncio
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from local.providers.fault_rules import KINDS, FaultError, FaultRule, rules_in_key
from local.providers.faults import Faults
from tests.fakes_providers import fake_providers


class FakeWire:
    """Notes what a fault did to the connection."""

    def __init__(self):
        self.did: list[str] = []

    async def close(self, code: int) -> None:
        self.did.append(f"closed {code}")

    def abort(self) -> None:
        self.did.append("cut")

    async def send_garbage(self) -> None:
        self.did.append("garbage")


class FakeSleep:
    """A clock that moves by what is slept."""

    def __init__(self):
        self.slept: list[float] = []

    async def __call__(self, secs: float) -> None:
        self.slept.append(secs)


def faults_of(*rules: dict[str, Any]) -> tuple[Faults, FakeSleep]:
    sleep = FakeSleep()
    faults = Faults(sleep)
    faults.replace(FaultRule.model_validate(rule) for rule in rules)
    return faults, sleep


async def test_the_same_seed_replays_the_same_delays():
    rule = {"service": "llm", "kind": "delay", "value": "lognormal:400:0.5"}

    async def delays(seed: int) -> list[float]:
        faults, sleep = faults_of({**rule, "seed": seed})
        for _ in range(20):
            await faults.session("llm", "local").before_answer()
        assert list(faults.delays_ms) == [round(secs * 1000, 3) for secs in sleep.slept]
        return sleep.slept

    assert await delays(7) == await delays(7)
    assert await delays(7) != await delays(8)
    assert 0.2 < sorted(await delays(7))[10] < 0.8


async def test_the_same_seed_strikes_at_the_same_chances():
    rule = {"service": "stt", "kind": "status", "value": 500, "probability": 0.5, "seed": 3}

    def strikes() -> list[bool]:
        faults, _ = faults_of(rule)
        return [faults.take("stt", "local", "status") is not None for _ in range(50)]

    assert strikes() == strikes()
    assert 10 < sum(strikes()) < 40


async def test_posting_the_rules_again_starts_the_replay():
    faults, sleep = faults_of({"service": "tts", "kind": "delay", "value": "uniform:1:900"})
    await faults.session("tts", "local").before_answer()
    faults.replace(faults.rules)
    await faults.session("tts", "local").before_answer()
    assert sleep.slept[0] == sleep.slept[1]


@pytest.mark.parametrize(
    ("kind", "did", "sent"),
    [
        ("cut", ["cut"], [True, True, False]),
        ("close", ["closed 1011"], [True, True, False]),
        ("garbage", ["garbage"], [True, True, True]),
        ("mute", [], [True, True, False]),
    ],
)
async def test_a_connection_breaks_after_so_many_messages(
    kind: str, did: list[str], sent: list[bool]
):
    faults, _ = faults_of({"service": "tts", "kind": kind, "after": 2})
    session, wire = faults.session("tts", "local"), FakeWire()
    assert [await session.before_message(wire) for _ in range(3)] == sent
    assert wire.did == did


async def test_a_stall_comes_once_and_slowness_every_time():
    faults, sleep = faults_of(
        {"service": "tts", "kind": "slow", "value": "10"},
        {"service": "tts", "kind": "stall", "value": "900", "after": 1},
    )
    session, wire = faults.session("tts", "local"), FakeWire()
    for _ in range(3):
        assert await session.before_message(wire)
    assert sleep.slept == [0.01, 0.01, 0.9, 0.01]


async def test_a_rule_for_one_key_leaves_the_others_alone():
    faults, _ = faults_of({"service": "llm", "kind": "never", "key": "local-1"})
    assert faults.session("llm", "local-1").silent
    assert not faults.session("llm", "local-2").silent


async def test_a_rule_fires_as_often_as_it_says_and_is_counted():
    faults, _ = faults_of({"service": "llm", "kind": "status", "value": 429, "times": 2})
    taken = [faults.take("llm", "local", "status") for _ in range(4)]
    assert [bool(fault) for fault in taken] == [True, True, False, False]
    assert faults.fired == {"llm.status": 2}


def test_faults_are_read_from_a_key():
    key = "local-17+llm.status=429x1,tts.delay=lognormal:400:0.5~7,stt.cut@4"
    status, delay, cut = rules_in_key(key)
    assert (status.value, status.times, status.key) == ("429", 1, key)
    assert (delay.value, delay.seed, delay.times) == ("lognormal:400:0.5", 7, None)
    assert (cut.service, cut.kind, cut.after) == ("stt", "cut", 4)
    assert rules_in_key("local") == []


@pytest.mark.parametrize(
    "text", ["llm", "web.cut", "llm.status=abc", "tts.delay=soon", "llm.bogus", "llm.close=x"]
)
def test_a_fault_written_wrongly_is_refused(text: str):
    with pytest.raises((FaultError, ValidationError)):
        rules_in_key(f"local+{text}")


async def test_the_control_api_shows_and_replaces_the_rules():
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{providers.port}"
        rules = [{"service": "llm", "kind": "status", "value": 503, "times": 1}]
        async with client.post(f"{url}/control/faults", json=rules) as reply:
            assert reply.status == 200
        body = {"messages": [{"role": "user", "content": "hello"}]}
        headers = {"Authorization": "Bearer local"}
        statuses: list[int] = []
        for _ in range(2):
            async with client.post(
                f"{url}/v1/chat/completions", json=body, headers=headers
            ) as reply:
                statuses.append(reply.status)
        assert statuses == [503, 200]
        async with client.get(f"{url}/control/faults") as reply:
            shown = await reply.json()
        assert shown["rules"][0]["value"] == "503"
        assert shown["fired"] == {"llm.status": 1}
        assert shown["served"] == {"llm": 1}
        assert shown["kinds"] == KINDS
        async with client.post(f"{url}/control/faults", json=[]) as reply:
            assert await reply.json() == {"rules": 0}


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ('[{"service": "web", "kind": "cut"}]', "stt"),
        ('[{"service": "llm", "kind": "explode"}]', "garbage"),
        ('[{"service": "llm", "kind": "status", "value": "9"}]', "400 to 599"),
        ("nonsense", "JSON"),
    ],
)
async def test_the_control_api_names_what_is_wrong(rules: str, named: str):
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{providers.port}/control/faults"
        async with client.post(url, data=rules) as reply:
            assert reply.status == 400
            assert named in await reply.text()
        assert providers.faults.rules == []


async def test_a_wrong_key_is_refused_by_all_three():
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{providers.port}"
        for path in ("/v1/listen", "/tts/websocket"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
                await client.ws_connect(url + path, headers={"X-API-Key": "sk-real"})
            assert raised.value.status == 401
        async with client.post(f"{url}/v1/chat/completions", json={"messages": []}) as reply:
            assert reply.status == 401
        async with client.get(f"{url}/v1/models") as reply:
            assert reply.status == 401


async def test_a_fault_in_the_key_that_makes_no_sense_is_an_error_for_the_client():
    async with fake_providers() as providers, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{providers.port}"
        headers = {"Authorization": "Bearer local+llm.nonsense"}
        async with client.post(
            f"{url}/v1/chat/completions", json={"messages": []}, headers=headers
        ) as reply:
            assert reply.status == 400
            assert "nonsense" in await reply.text()


async def test_closing_frees_the_port():
    async with fake_providers() as providers:
        port = providers.port
    with pytest.raises(ConnectionRefusedError):
        async with asyncio.timeout(2):
            await asyncio.open_connection("127.0.0.1", port)
