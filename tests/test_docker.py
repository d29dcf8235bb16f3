"""The deployment files say only what the programs they are for understand.

Neither Docker nor LiveKit runs here: the schemas hold the keys of livekit-server 1.13
(``pkg/config``), livekit-sip (``pkg/config/config.go``) and the part of the Compose specification
that we use.
"""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

DOCKER = Path(__file__).parent.parent / "docker"
ENV_EXAMPLE = DOCKER.parent / ".env.example"


def _closed(properties: dict, required: tuple[str, ...] = ()) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}
LOGGING = _closed({"level": {"enum": ["debug", "info", "warn", "error"]}, "json": FLAG})
REDIS = _closed({"address": TEXT, "username": TEXT, "password": TEXT, "db": NUMBER}, ("address",))

LIVEKIT = _closed(
    {
        "port": NUMBER,
        "bind_addresses": TEXTS,
        "keys": {"type": "object"},
        "redis": REDIS,
        "rtc": _closed(
            {
                "udp_port": NUMBER,
                "tcp_port": NUMBER,
                "node_ip": TEXT,
                "use_external_ip": FLAG,
                "enable_loopback_candidate": FLAG,
                "interfaces": {"type": "object"},
                "stun_servers": TEXTS,
            }
        ),
        "room": _closed(
            {"auto_create": FLAG, "empty_timeout": NUMBER, "departure_timeout": NUMBER}
        ),
        "webhook": _closed({"api_key": TEXT, "urls": TEXTS}, ("api_key", "urls")),
        "agents": _closed({"target_load": {"type": "number"}}),
        "logging": LOGGING,
    },
    ("port", "redis", "webhook"),
)
SIP = _closed(
    {
        "api_key": TEXT,
        "api_secret": TEXT,
        "ws_url": TEXT,
        "redis": REDIS,
        "sip_port": NUMBER,
        "rtp_port": {"type": "string", "pattern": r"^\d+-\d+$"},
        "use_external_ip": FLAG,
        "nat_1_to_1_ip": TEXT,
        "listen_ip": TEXT,
        "media_timeout": DURATION,
        "media_timeout_initial": DURATION,
        "health_port": NUMBER,
        "prometheus_port": NUMBER,
        "logging": LOGGING,
    },
    ("redis", "sip_port", "rtp_port"),
)
SERVICE = _closed(
    {
        "image": TEXT,
        "build": _closed({"context": TEXT, "dockerfile": TEXT}),
        "command": TEXTS,
        "network_mode": {"const": "host"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "stop_grace_period": DURATION,
        "environment": {"type": "object", "additionalProperties": TEXT},
        "env_file": TEXTS,
        "volumes": TEXTS,
        "depends_on": {"type": ["array", "object"]},
        "healthcheck": _closed({"test": TEXTS, "interval": DURATION, "timeout": DURATION}),
    }
)
COMPOSE = _closed(
    {
        "name": TEXT,
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object"},
    },
    ("services",),
)


def _load(name: str) -> dict:
    return yaml.safe_load((DOCKER / name).read_text())


@pytest.mark.parametrize(
    "name, schema",
    [("livekit.yaml", LIVEKIT), ("sip.yaml", SIP), ("compose.yaml", COMPOSE)],
)
def test_deployment_file_follows_its_schema(name: str, schema: dict):
    jsonschema.validate(_load(name), schema)


def test_every_file_a_service_mounts_is_there():
    for service in _load("compose.yaml")["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists(), source


def test_the_bridge_the_server_and_redis_find_each_other():
    livekit, sip = _load("livekit.yaml"), _load("sip.yaml")
    assert livekit["redis"]["address"] == sip["redis"]["address"]
    services = _load("compose.yaml")["services"]
    port = f":{livekit['port']}"
    assert services["sip"]["environment"]["LIVEKIT_WS_URL"].endswith(port)
    assert services["switchboard"]["environment"]["LIVEKIT_URL"].endswith(port)


def test_webhooks_are_signed_with_the_key_of_the_example_environment():
    key = re.search(r"^LIVEKIT_API_KEY=(.*)$", ENV_EXAMPLE.read_text(), re.M)
    assert key and _load("livekit.yaml")["webhook"]["api_key"] == key[1]


def test_the_file_of_trunks_lies_where_provision_looks_for_it():
    volumes = _load("compose.yaml")["services"]["switchboard"]["volumes"]
    assert "./telephony.yaml:/app/docker/telephony.yaml:ro" in volumes
    assert _load("telephony.yaml").keys() == {"inbound_trunks", "outbound_trunks", "dispatch_rules"}


@pytest.mark.parametrize("path", sorted((DOCKER / "trunks").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_ready_file_has_both_ways_a_rule_and_a_page(path: Path):
    data = yaml.safe_load(path.read_text())
    (inbound,), (outbound,), (rule,) = (
        data[key] for key in ("inbound_trunks", "outbound_trunks", "dispatch_rules")
    )
    assert (
        inbound["name"]
        == outbound["name"]
        == rule["name"]
        == path.stem.replace("generic", "carrier")
    )
    assert rule["trunks"] == [inbound["name"]]
    page = DOCKER.parent / "docs" / "trunks" / f"{path.stem}.md"
    assert page.name in path.read_text().splitlines()[0]
    text = page.read_text()
    assert f"docker/trunks/{path.name}" in text and "Not run against" in text
    assert "## Test" in text


def test_the_image_holds_no_gpl_part():
    lock = (DOCKER / "requirements.lock").read_text()
    assert "piper-tts" not in lock and "moonshine-voice" not in lock
    assert "local" not in re.findall(r"^COPY (\S+)", (DOCKER / "Dockerfile").read_text(), re.M)
