"""LiveKit gets the trunks and rules that a file names, and nothing is open by accident."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml
from livekit.api import LiveKitAPI
from livekit.protocol import sip as pb

from local.exchange.exchange import Exchange
from local.exchange.network import only_loopback
from local.sip.digest import Credentials
from server.cli import main
from server.provision_checks import telephony_problems
from server.provision_file import read_telephony
from tests.fakes_exchange import KEY, SECRET, free_config
from tests.fakes_phone import Phone

TELEPHONY = """
inbound_trunks:
  - name: carrier
    numbers: ["+15550100"]
    allowed_addresses: ["203.0.113.7", "198.51.100.0/24"]
    username: ${CARRIER_USER}
    password: ${CARRIER_PASSWORD}
    headers_to_attributes: {X-Tenant: tenant}
    codecs: [PCMU, PCMA]
    encryption: allow
outbound_trunks:
  - name: carrier
    address: sip.carrier.example:5061
    transport: tls
    numbers: ["+15550100"]
    username: ${CARRIER_USER}
    password: ${CARRIER_PASSWORD}
    encryption: require
dispatch_rules:
  - name: calls
    trunks: [carrier]
    individual: call
"""
ENVIRON = {"CARRIER_USER": "user", "CARRIER_PASSWORD": "the-carriers-secret"}


def problems_of(text: str, tmp_path: Path, environ=ENVIRON) -> list[str]:
    path = tmp_path / "telephony.yaml"
    path.write_text(text)
    found = read_telephony([path], environ)
    wrong = [*found.problems, *telephony_problems(found.telephony)]
    assert all(problem.remedy for problem in wrong)
    return [str(problem) for problem in wrong]


def changed(section: str, **keys) -> str:
    """The example with other keys in its first item of a section; None removes one."""
    data = yaml.safe_load(TELEPHONY)
    item = data[section][0] | keys
    data[section][0] = {key: value for key, value in item.items() if value is not None}
    return yaml.safe_dump(data)


def test_the_example_has_no_problem(tmp_path):
    assert problems_of(TELEPHONY, tmp_path) == []


@pytest.mark.parametrize(
    ("section", "keys", "said"),
    [
        (
            "inbound_trunks",
            {"allowed_addresses": None, "username": None, "password": None},
            "anyone may call in",
        ),
        ("inbound_trunks", {"allowed_addresses": ["0.0.0.0/0"]}, "nearly everybody"),
        ("inbound_trunks", {"allowed_addresses": ["::/0"]}, "nearly everybody"),
        ("inbound_trunks", {"allowed_addresses": ["sip.example"]}, "no IP address or network"),
        ("inbound_trunks", {"username": None}, "username: is missing"),
        ("outbound_trunks", {"password": None}, "password: is missing"),
        ("inbound_trunks", {"numbers": ["sip:1@x"]}, "'sip:1@x' is no number"),
        ("inbound_trunks", {"headers": {"Call-ID": "x"}}, "belongs to LiveKit itself"),
        ("inbound_trunks", {"headers": {"X-A": "line\nbreak"}}, "no header can have"),
        ("inbound_trunks", {"headers_to_attributes": {"X A": "a"}}, "no header name"),
        ("inbound_trunks", {"media_timeout_secs": 700}, "less than or equal to 600"),
        ("inbound_trunks", {"alowed_addresses": []}, "did you mean 'allowed_addresses'?"),
        ("inbound_trunks", {"codecs": ["OPUS"]}, "not one of 'PCMU'"),
        ("inbound_trunks", {"name": "other"}, "'carrier' is no inbound trunk"),
        ("outbound_trunks", {"address": "sip:a.example"}, "no host or host:port"),
        ("outbound_trunks", {"address": "a.example;transport=tcp"}, "no host or host:port"),
        ("outbound_trunks", {"address": "a.example:70000"}, "no host or host:port"),
        ("outbound_trunks", {"numbers": []}, "numbers: are missing"),
        ("outbound_trunks", {"transport": "sctp"}, "not one of 'auto'"),
        ("dispatch_rules", {"trunks": []}, "calls that match no trunk"),
        ("dispatch_rules", {"trunks": ["nope"]}, "known are carrier"),
        ("dispatch_rules", {"callee": "x"}, "are not exactly one"),
        ("dispatch_rules", {"pin": "${CARRIER_USER}"}, "not 4 to 16 digits"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(section, keys, said, tmp_path):
    assert any(said in problem for problem in problems_of(changed(section, **keys), tmp_path))


def test_an_inbound_trunk_that_no_rule_names_is_a_problem(tmp_path):
    text = changed("dispatch_rules", trunks=[], open=None)
    assert any("ring into nothing" in problem for problem in problems_of(text, tmp_path))


def test_a_trunk_or_rule_may_be_open_when_it_says_so(tmp_path):
    everybody = {"allowed_addresses": None, "username": None, "password": None, "open": True}
    assert problems_of(changed("inbound_trunks", **everybody), tmp_path) == []
    without_numbers = changed("inbound_trunks", **everybody, numbers=None)
    assert any("LiveKit refuses" in problem for problem in problems_of(without_numbers, tmp_path))
    assert problems_of(changed("dispatch_rules", trunks=[], open=True), tmp_path) == []


def test_two_trunks_for_the_same_calls_conflict_as_livekit_says(tmp_path):
    data = yaml.safe_load(TELEPHONY)
    second = data["inbound_trunks"][0] | {"name": "second", "numbers": ["1 (555) 0100"]}
    data["inbound_trunks"].append(second | {"numbers": ["15550100"]})
    data["dispatch_rules"][0]["trunks"] = ["carrier", "second"]
    (problem,) = problems_of(yaml.safe_dump(data), tmp_path)
    assert "inbound trunk second" in problem and "as trunk carrier does" in problem
    data["inbound_trunks"][1]["allowed_numbers"] = ["+15557777"]
    assert problems_of(yaml.safe_dump(data), tmp_path) == []


def test_two_rules_for_the_same_calls_conflict(tmp_path):
    data = yaml.safe_load(TELEPHONY)
    data["dispatch_rules"].append(data["dispatch_rules"][0] | {"name": "again"})
    (problem,) = problems_of(yaml.safe_dump(data), tmp_path)
    assert "same calls as rule calls" in problem
    data["dispatch_rules"][1]["numbers"] = ["+15550100"]
    assert problems_of(yaml.safe_dump(data), tmp_path) == []


def test_all_problems_come_at_once_and_none_shows_a_secret(tmp_path):
    text = changed("inbound_trunks", password="written-out", username="${UNSET_ONE}", numbers=["?"])
    found = problems_of(text, tmp_path)
    assert len(found) == 3
    assert any("is a secret written out" in problem for problem in found)
    assert any("${UNSET_ONE} is not set" in problem for problem in found)
    assert not any("written-out" in problem for problem in found)


# Against the exchange, through LiveKit's own API client


@pytest.fixture
async def exchange():
    if only_loopback():
        pytest.skip("the exchange needs a network interface beside loopback")
    exchange = await Exchange.start(free_config())
    yield exchange
    await exchange.close()


class Provisioner:
    """``switchboard provision`` against an exchange, its files and what it printed."""

    def __init__(self, exchange: Exchange, tmp_path: Path, monkeypatch, capsys):
        self.exchange, self.path, self._capsys = exchange, tmp_path / "telephony.yaml", capsys
        monkeypatch.chdir(tmp_path)
        values = {"LIVEKIT_URL": exchange.url, "LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
        for name, value in (values | ENVIRON).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("LIVEKIT_URLS", raising=False)
        self.path.write_text(TELEPHONY)

    async def run(self, *arguments: str) -> tuple[int, str]:
        command = ["provision", "--file", str(self.path), *arguments]
        status = await asyncio.to_thread(main, command)
        captured = self._capsys.readouterr()
        text = captured.out + captured.err
        assert ENVIRON["CARRIER_PASSWORD"] not in text and SECRET not in text
        return status, text


@pytest.fixture
def provisioner(exchange, tmp_path, monkeypatch, capsys):
    return Provisioner(exchange, tmp_path, monkeypatch, capsys)


@pytest.fixture
async def api(exchange):
    async with LiveKitAPI(exchange.url, KEY, SECRET) as api:
        yield api.sip


async def test_what_the_file_says_is_made_once(provisioner, api):
    assert (await provisioner.run("--dry-run"))[0] == 3
    assert not (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items
    status, text = await provisioner.run()
    assert status == 0 and "+ inbound trunk carrier" in text and "3 to create" in text
    (trunk,) = (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items
    assert list(trunk.allowed_addresses) == ["203.0.113.7/32", "198.51.100.0/24"]
    assert (trunk.auth_username, trunk.auth_password) == ("user", ENVIRON["CARRIER_PASSWORD"])
    assert trunk.max_call_duration.seconds == 3660 and trunk.media.media_timeout.seconds == 300
    assert trunk.media.only_listed_codecs and [c.name for c in trunk.media.codecs] == [
        "PCMU",
        "PCMA",
    ]
    assert not trunk.krisp_enabled
    (out,) = (await api.list_outbound_trunk(pb.ListSIPOutboundTrunkRequest())).items
    assert (out.address, out.transport) == ("sip.carrier.example:5061", pb.SIP_TRANSPORT_TLS)
    assert out.media.encryption == pb.SIP_MEDIA_ENCRYPT_REQUIRE
    (rule,) = (await api.list_dispatch_rule(pb.ListSIPDispatchRuleRequest())).items
    assert list(rule.trunk_ids) == [trunk.sip_trunk_id]
    assert [agent.agent_name for agent in rule.room_config.agents] == ["switchboard"]
    assert (await provisioner.run("--dry-run"))[0] == 0
    status, text = await provisioner.run()
    assert status == 0 and "3 as they should be" in text and "done" not in text


async def test_a_change_is_shown_and_keeps_the_id(provisioner, api, monkeypatch):
    await provisioner.run()
    (before,) = (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items
    monkeypatch.setenv("CARRIER_PASSWORD", "the-next-secret")
    provisioner.path.write_text(changed("inbound_trunks", allowed_addresses=["192.0.2.0/24"]))
    status, text = await provisioner.run("--dry-run")
    assert status == 3 and "2 to update" in text and "the-next-secret" not in text
    assert "198.51.100.0/24, 203.0.113.7/32 → 192.0.2.0/24" in text
    assert "auth_password      changed" in text
    assert (await provisioner.run())[0] == 0
    (after,) = (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items
    assert after.sip_trunk_id == before.sip_trunk_id
    assert list(after.allowed_addresses) == ["192.0.2.0/24"]
    assert after.auth_password == "the-next-secret"


async def test_only_prune_deletes_and_only_what_the_file_made(provisioner, api):
    by_hand = pb.SIPInboundTrunkInfo(name="by hand", numbers=["+15550777"])
    await api.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=by_hand))
    await provisioner.run()
    provisioner.path.write_text("outbound_trunks: []\n")
    status, text = await provisioner.run()
    assert status == 0 and "--prune deletes it" in text and "by hand was not made" in text
    assert (await provisioner.run("--dry-run"))[0] == 0
    status, text = await provisioner.run("--prune")
    assert status == 0 and "3 to delete" in text
    names = [t.name for t in (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items]
    assert names == ["by hand"]
    assert not (await api.list_outbound_trunk(pb.ListSIPOutboundTrunkRequest())).items
    assert not (await api.list_dispatch_rule(pb.ListSIPDispatchRuleRequest())).items


async def test_what_lets_anyone_in_and_was_made_elsewhere_is_warned_of(provisioner, api):
    by_hand = pb.SIPInboundTrunkInfo(name="by hand", numbers=["+15550777"])
    await api.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=by_hand))
    rule = pb.SIPDispatchRuleInfo(name="everything")
    rule.rule.dispatch_rule_individual.room_prefix = "call"
    await api.create_dispatch_rule(pb.CreateSIPDispatchRuleRequest(dispatch_rule=rule))
    status, text = await provisioner.run()
    assert status == 0 and "! inbound trunk by hand lets anyone call in" in text
    assert "! dispatch rule everything names no trunk" in text


@pytest.mark.parametrize(
    ("number", "password", "answer"),
    [
        ("+15550100", ENVIRON["CARRIER_PASSWORD"], 180),
        ("+15550100", "wrong", 401),
        ("+15550101", ENVIRON["CARRIER_PASSWORD"], None),
    ],
)
async def test_the_provisioned_line_takes_its_own_calls_and_no_others(
    provisioner, number, password, answer
):
    provisioner.path.write_text(changed("inbound_trunks", allowed_addresses=["127.0.0.0/8"]))
    assert (await provisioner.run())[0] == 0
    phone = await Phone.open()
    credentials = Credentials("user", password)
    phone.dial(number, provisioner.exchange.sip_address, credentials=credentials, talk=False)
    try:
        if answer:
            await phone.until(lambda: answer in [status for status, _ in phone.responses()])
            assert 407 in [status for status, _ in phone.responses()]
        else:  # one 180 and silence, where a call that is taken rings each second
            with pytest.raises(TimeoutError):
                await phone.until(lambda: len(phone.responses()) > 2, 1.3)
            assert [status for status, _ in phone.responses()] == [100, 180]
    finally:
        await phone.close()


async def test_a_trunk_of_the_same_name_is_taken_over_and_a_double_one_is_refused(provisioner, api):
    for number in ("+15550100", "+15550777"):
        trunk = pb.SIPInboundTrunkInfo(name="carrier", numbers=[number])
        await api.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=trunk))
    status, text = await provisioner.run()
    assert status == 1 and "LiveKit has 2 of inbound trunk carrier" in text
    second = (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items[1]
    await api.delete_trunk(pb.DeleteSIPTrunkRequest(sip_trunk_id=second.sip_trunk_id))
    status, text = await provisioner.run()
    assert status == 0 and "~ inbound trunk carrier" in text
    (trunk,) = (await api.list_inbound_trunk(pb.ListSIPInboundTrunkRequest())).items
    assert json.loads(trunk.metadata) == {"managed_by": "switchboard"}


async def test_what_livekit_refuses_is_said_and_a_second_run_goes_on(provisioner, api):
    other = pb.SIPInboundTrunkInfo(name="other", numbers=["+15550100"])
    made = await api.create_inbound_trunk(pb.CreateSIPInboundTrunkRequest(trunk=other))
    status, text = await provisioner.run()
    assert status == 1 and "would not create inbound trunk carrier" in text
    await api.delete_trunk(pb.DeleteSIPTrunkRequest(sip_trunk_id=made.sip_trunk_id))
    assert (await provisioner.run())[0] == 0


async def test_json_tells_the_same(provisioner):
    status, text = await provisioner.run("--json", "--dry-run")
    (livekit,) = json.loads(text)["livekits"]
    assert status == 3 and [c["do"] for c in livekit["changes"]] == ["create"] * 3
    secret = livekit["changes"][0]["fields"]["auth_password"]
    assert secret == {"before": "", "after": "set"}
    provisioner.path.write_text("inbound: []\n")
    status, text = await provisioner.run("--json")
    assert status == 2 and json.loads(text)["problems"][0]["key"] == "inbound"


async def test_every_livekit_of_the_settings_is_provisioned(provisioner, monkeypatch):
    second = await Exchange.start(free_config(api_key="second", api_secret=SECRET[::-1]))
    try:
        monkeypatch.setenv("LIVEKIT_URLS", f"{provisioner.exchange.url},{second.url}")
        monkeypatch.setenv("LIVEKIT_API_KEY_2", "second")
        monkeypatch.setenv("LIVEKIT_API_SECRET_2", SECRET[::-1])
        status, text = await provisioner.run()
        assert status == 0 and text.count("3 to create") == 2
        async with LiveKitAPI(second.url, "second", SECRET[::-1]) as api:
            assert (await api.sip.list_dispatch_rule(pb.ListSIPDispatchRuleRequest())).items
    finally:
        await second.close()


async def test_a_livekit_that_does_not_answer_or_refuses_the_key_is_named(provisioner, monkeypatch):
    monkeypatch.setenv("LIVEKIT_API_SECRET", "another-secret-that-is-long-enough-for-it")
    status, text = await provisioner.run()
    assert status == 1 and "refused the key 'testkey'" in text
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:9")
    status, text = await provisioner.run()
    assert status == 1 and "does not answer at ws://127.0.0.1:9" in text


# The shipped files

ROOT = Path(__file__).parent.parent
READY = [ROOT / "docker" / "telephony.yaml", *sorted((ROOT / "docker" / "trunks").glob("*.yaml"))]


class _Any(dict):
    """Every variable is set: numbers to a number, addresses to an address."""

    def get(self, key, default=None):
        kinds = {"NUMBER": "+15550100", "ADDRESS": "198.51.100.7", "DOMAIN": "pbx.example"}
        return next((value for end, value in kinds.items() if key.endswith(end)), "12345678")


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_a_ready_file_has_no_problem(path):
    found = read_telephony([path], _Any())
    assert [*found.problems, *telephony_problems(found.telephony)] == []


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
async def test_a_ready_file_is_provisioned_and_stays(path, provisioner, monkeypatch):
    provisioner.path.write_text(path.read_text())
    for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, _Any().get(name))
    assert (await provisioner.run())[0] == 0
    assert (await provisioner.run("--dry-run"))[0] == 0
