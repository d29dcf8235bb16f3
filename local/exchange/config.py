"""The exchange's configuration: where it listens, whom it lets in, what happens to a call."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from local.exchange.network import is_loopback


class ConfigError(Exception):
    """A configuration that cannot be used; one line for each problem."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AgentConfig(_Strict):
    """An agent that a new room is dispatched to."""

    agent_name: str
    metadata: str = ""


class RoomConfig(_Strict):
    """Settings of rooms that a dispatch rule opens; time-outs in seconds."""

    agents: tuple[AgentConfig, ...] = ()
    empty_timeout: int = 0
    departure_timeout: int = 0
    metadata: str = ""


class TrunkConfig(_Strict):
    """An inbound trunk. Empty lists mean any.

    Parameters:
        numbers: Called numbers.
        allowed_addresses: Networks that calls may come from.
        allowed_numbers: Calling numbers.
        include_headers: Which SIP headers become attributes ``sip.h.<name>``.
        ringing_timeout_secs: How long it rings before 486.
    """

    name: str
    numbers: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    allowed_numbers: tuple[str, ...] = ()
    username: str = ""
    password: SecretStr = SecretStr("")
    headers: dict[str, str] = Field(default_factory=dict)
    headers_to_attributes: dict[str, str] = Field(default_factory=dict)
    attributes_to_headers: dict[str, str] = Field(default_factory=dict)
    include_headers: Literal["none", "x", "all"] = "none"
    ringing_timeout_secs: float = 180.0
    max_call_duration_secs: float = 86_400.0

    @model_validator(mode="after")
    def _reachable(self) -> "TrunkConfig":
        if not (self.numbers or self.allowed_addresses or self.username):
            raise ValueError("a trunk needs numbers, allowed_addresses or a username")
        return self


class OutboundTrunkConfig(_Strict):
    """An outbound trunk.

    Parameters:
        numbers: Caller ids, one of them at random for each call that names none.
        address: Where calls go, ``host:port`` with an IPv4 address; empty is this exchange itself,
            that is the phones that registered with it.
    """

    name: str
    numbers: tuple[str, ...] = Field(min_length=1)
    address: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    headers: dict[str, str] = Field(default_factory=dict)
    headers_to_attributes: dict[str, str] = Field(default_factory=dict)
    attributes_to_headers: dict[str, str] = Field(default_factory=dict)
    include_headers: Literal["none", "x", "all"] = "none"


class RuleConfig(_Strict):
    """A dispatch rule: which room a call goes to. Empty lists mean any.

    Parameters:
        direct: Name of the one room.
        individual: Prefix of a room for each call, named after the calling number.
        callee: Prefix of a room named after the called number.
        randomness: Whether the room's name ends in 12 random characters.
        inbound_numbers: Calling numbers.
        numbers: Called numbers.
        trunks: Names of trunks.
    """

    name: str
    direct: str | None = None
    individual: str | None = None
    callee: str | None = None
    randomness: bool = True
    inbound_numbers: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    hide_phone_number: bool = False
    metadata: str = ""
    attributes: dict[str, str] = Field(default_factory=dict)
    room: RoomConfig = RoomConfig()

    @model_validator(mode="after")
    def _one_kind(self) -> "RuleConfig":
        if sum(kind is not None for kind in (self.direct, self.individual, self.callee)) != 1:
            raise ValueError("a rule is exactly one of direct, individual, callee")
        return self


class PhoneConfig(_Strict):
    """A phone that may register and is then called by its number.

    Parameters:
        number: What it is called by, E.164.
        user: How it logs in.
    """

    number: str
    user: str
    password: SecretStr


class ExchangeConfig(_Strict):
    """Everything of one exchange. Port 0 means any free one.

    Parameters:
        users: SIP digest users (name: password) that every call must be one of, if there are any.
        trusted: Networks that SIP packets may come from.
        phones: Phones that may register.
        realistic: Add the delays measured on livekit-server and livekit-sip.
        media_timeout_initial_secs: An answered phone may send nothing for so long at first.
        media_timeout_secs: And for so long later.
    """

    api_key: str = "devkey"
    api_secret: SecretStr = SecretStr("secret" * 6)
    host: str = "127.0.0.1"
    http_port: int = Field(7880, ge=0, le=65535)
    rtc_port: int = Field(7882, ge=0, le=65535)
    sip_port: int = Field(5060, ge=0, le=65535)
    users: dict[str, SecretStr] = Field(default_factory=dict)
    trusted: tuple[str, ...] = ()
    phones: tuple[PhoneConfig, ...] = ()
    realistic: bool = False
    media_timeout_initial_secs: float = 30.0
    media_timeout_secs: float = 15.0
    webhooks: tuple[str, ...] = ()
    trunks: tuple[TrunkConfig, ...] = ()
    outbound_trunks: tuple[OutboundTrunkConfig, ...] = ()
    rules: tuple[RuleConfig, ...] = ()

    @model_validator(mode="after")
    def _guarded(self) -> "ExchangeConfig":
        if not is_loopback(self.host) and not (self.users or self.trusted):
            raise ValueError(
                f"host {self.host!r} can be reached from other machines: name 'users' (SIP digest) "
                "or 'trusted' networks, or listen on 127.0.0.1"
            )
        names = [trunk.name for trunk in self.trunks]
        for rule in self.rules:
            if unknown := [name for name in rule.trunks if name not in names]:
                raise ValueError(f"rule {rule.name!r} names unknown trunks {unknown}, not {names}")
        return self


DEFAULT_CONFIG = Path(__file__).parent / "default.yaml"


def load_config(path: Path, **overrides: Any) -> ExchangeConfig:
    """Read a YAML file; ``overrides`` that are not ``None`` win over it.

    Raises:
        ConfigError: If the file cannot be read or has problems: all of them, with their keys.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a mapping is expected, not {type(data).__name__}")
    data |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return ExchangeConfig(**data)
    except ValidationError as exc:
        lines = [
            f"{path}: {'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}"
            for e in exc.errors(include_input=False, include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from exc
