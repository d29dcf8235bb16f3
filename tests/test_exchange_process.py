"""The exchange as a process: its configuration, its ports, its end."""

import asyncio
import os
import signal
import socket
import sys

import pytest

from local.exchange.config import DEFAULT_CONFIG, ConfigError, ExchangeConfig, load_config
from local.exchange.exchange import Exchange
from local.exchange.network import is_loopback
from tests.fakes_exchange import KEY, SECRET, free_config
from tests.fakes_phone import Phone

ENVIRONMENT = {
    "LIVEKIT_API_KEY": KEY,
    "LIVEKIT_API_SECRET": SECRET,
    "PATH": os.environ["PATH"],
}
PORTS = ("--http-port", "0", "--rtc-port", "0", "--sip-port", "0")


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.exchange", *arguments),
        env=ENVIRONMENT | environment,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_process_says_when_it_is_ready_and_hangs_up_at_its_end(tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.setblocking(False)
        process = await start(*PORTS, NOTIFY_SOCKET=address)
        assert process.stderr is not None
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(notify, 100), 15) == b"READY=1"
    line = (await process.stderr.readline()).decode()
    assert "LiveKit ws://127.0.0.1:" in line and "SIP udp/127.0.0.1:" in line
    sip_address = line.partition("SIP udp/")[2].partition(",")[0]
    phone = await Phone.open()
    call = phone.dial("+15550100", sip_address)
    await call.wait_ringing()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        end = await call.wait_ended()
        _, log = await process.communicate()
    assert (end.status, end.phrase) == (486, "Rejected")
    assert process.returncode == 0
    assert SECRET not in log.decode()
    assert "+15557777" not in log.decode()
    await phone.close()


async def test_taken_port_is_named(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        process = await start("--http-port", "0", "--rtc-port", "0", "--sip-port", port)
        _, log = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "the exchange cannot listen" in log.decode() and f"SIP port {port}" in log.decode()


def test_default_configuration_lets_this_machine_call_any_number():
    config = load_config(DEFAULT_CONFIG)
    assert [trunk.allowed_addresses for trunk in config.trunks] == [("127.0.0.0/8",)]
    assert [agent.agent_name for agent in config.rules[0].room.agents] == ["switchboard"]
    assert config.rules[0].individual == "call"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7"])
def test_it_refuses_to_be_reached_from_outside_without_users_or_trusted_networks(host):
    with pytest.raises(ValueError, match="users"):
        ExchangeConfig(host=host)
    assert ExchangeConfig(host=host, trusted=("192.0.2.0/24",)).host == host
    assert ExchangeConfig(host=host, users={"phone": "password"}).host == host


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("trunks: [{name: open}]", "numbers, allowed_addresses or a username"),
        ("rules: [{name: r}]", "exactly one of direct, individual, callee"),
        ("rules: [{name: r, direct: a, trunks: [x]}]", "unknown trunks"),
        ("colour: blue", "colour"),
        ("sip_port: 70000", "sip_port"),
        ("[]", "a mapping is expected"),
        ("a: [", "while parsing"),
    ],
)
def test_problem_of_the_file_names_its_key(tmp_path, text, problem):
    path = tmp_path / "exchange.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_config(path)


def test_all_problems_are_named_and_no_secret(tmp_path):
    path = tmp_path / "exchange.yaml"
    path.write_text("colour: blue\nsip_port: -1\napi_secret: [hidden-secret]\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert len(str(error.value).splitlines()) == 3
    assert "hidden-secret" not in str(error.value)
    assert SECRET not in repr(free_config())


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("0.0.0.0", False)],
)
def test_loopback_is_told_from_the_rest(host, loopback):
    assert is_loopback(host) is loopback


async def test_users_are_asked_for_their_password():
    exchange = await Exchange.start(
        free_config(
            users={"phone": "password"},
            trunks=[{"name": "t", "allowed_addresses": ["127.0.0.0/8"]}],
            rules=[{"name": "r", "individual": "call-"}],
        )
    )
    phone = await Phone.open()
    call = phone.dial("+15550100", exchange.sip_address, talk=False)
    end = await call.wait_ended()
    assert end.status == 407
    assert not list(exchange.rooms)
    await phone.close()
    await exchange.close()
