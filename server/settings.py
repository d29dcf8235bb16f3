"""What an installation sets from outside, read once: the environment and ``.env``."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.web_origins import LOOPBACK_HOSTS, checked_origins

PREFIX = "SWITCHBOARD_"
NUMBER_PATTERNS = r"^(\+[0-9]{1,15}\*?|[, ])*$"
_FURTHER_KEY = re.compile(r"LIVEKIT_API_(?:KEY|SECRET)_[2-9]")

# Read by the tools that run beside the server on a developer's machine.
NAMES_OF_OTHERS = frozenset(
    PREFIX + name
    for name in (
        "MODELS",
        "SIP_PORT",
        "LIVEKIT_PORT",
        "MEDIA_PORT",
        "PROVIDERS_PORT",
    )
)

FORK_ENVIRONMENT: Mapping[str, str] = {
    "ORT_DISABLE_TELEMETRY": "1",  # else onnxruntime starts a thread and an upload database
    "OPENBLAS_NUM_THREADS": "1",  # else numpy starts a thread pool at import
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "131072",  # big ONNX buffers go back to the system after each run
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""What the fork server must find in its environment when it is executed."""


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class LiveKitKey:
    """The key of one of several LiveKits; empty where it is that of the first.

    Parameters:
        api_key: ``LIVEKIT_API_KEY_2`` and so on.
        api_secret: ``LIVEKIT_API_SECRET_2`` and so on.
    """

    api_key: str = ""
    api_secret: SecretStr = SecretStr("")


@dataclass(frozen=True)
class ProviderSettings:
    """How one provider is reached.

    Parameters:
        api_key: ``<NAME>_API_KEY``.
        url: ``<NAME>_BASE_URL`` or ``<NAME>_URL``.
    """

    api_key: SecretStr | None = None
    url: str | None = None


class Settings(BaseSettings):
    """The server's settings; the environment wins over ``.env``.

    Parameters:
        livekit_urls: Several LiveKits, the preferred one first; without it ``livekit_url`` alone.
        livekit_keys: Keys of the second and further ones, by place.
        web_origins: Origins whose pages may place calls, separated by commas or spaces.
        web_livekit_url: The first LiveKit as browsers reach it, where that is another address.
        web_calls_per_minute: Calls a minute that one address may place by the page.
        max_calls: Seats: calls at the same time. A call takes about an eighth of a core.
        warm_calls: Call processes kept ready.
        max_call_secs: No call lasts longer, whatever its bot allows.
        drain_secs: How long SIGTERM waits for running calls.
        call_countries: Countries that may be called, ISO 3166; ``*`` all, "" none.
        call_allowed: Numbers, or beginnings with ``*``, that may be called beyond those.
        call_blocked: Numbers, or beginnings with ``*``, that are never called.
        call_trunk: Outbound trunk unless a request names one; "" is the only one there is.
        calls_per_number: Calls to one number within an hour; 0 is no limit.
        calls_per_minute: Calls that one API key may ask for within a minute; 0 is no limit.
        calls_per_trunk: Outgoing calls at the same time over one trunk; 0 is no limit.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    livekit_url: str = Field("", validation_alias="LIVEKIT_URL")
    livekit_urls: str = Field("", validation_alias="LIVEKIT_URLS")
    livekit_api_key: str = Field("", validation_alias="LIVEKIT_API_KEY")
    livekit_api_secret: SecretStr = Field(SecretStr(""), validation_alias="LIVEKIT_API_SECRET")
    livekit_agent_name: str = Field("switchboard", validation_alias="LIVEKIT_AGENT_NAME")

    api_host: str = "127.0.0.1"
    api_port: int = Field(8080, ge=0, le=65535)
    api_key: SecretStr = SecretStr("")

    data: Path = Path(".switchboard")
    database_url: str = ""
    recordings_url: str = ""
    bots: Path = Path("bots")
    flows: Path = Path("flows")

    web_origins: Annotated[str, AfterValidator(checked_origins)] = ""
    web_livekit_url: str = Field("", pattern=r"^$|^wss?://")
    web_calls_per_minute: int = Field(6, ge=1)

    max_calls: int = Field(default_factory=lambda: 5 * _cpus(), ge=1)
    warm_calls: int = Field(2, ge=0)
    max_call_secs: float = Field(3600.0, gt=0)
    drain_secs: float = Field(900.0, ge=0)

    call_countries: str = Field("", pattern=r"^([A-Za-z]{2}|001|\*|[, ])*$")
    call_allowed: str = Field("", pattern=NUMBER_PATTERNS)
    call_blocked: str = Field("", pattern=NUMBER_PATTERNS)
    call_trunk: str = ""
    calls_per_number: int = Field(5, ge=0)
    calls_per_minute: int = Field(60, ge=0)
    calls_per_trunk: int = Field(10, ge=0)

    log: Literal["text", "json"] = "text"
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    livekit_keys: Mapping[int, LiveKitKey] = Field(default={}, exclude=True)
    providers: Mapping[str, ProviderSettings] = Field(default={}, exclude=True)
    unknown_names: tuple[str, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then ``.env``."""
        return init_settings, env_settings, dotenv_settings

    @property
    def database(self) -> str:
        """The store's URL; SQLite in the data folder unless set."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data.resolve()}/switchboard.db"

    @property
    def recordings(self) -> str:
        """Where recordings stay; a folder of the data folder unless set."""
        return self.recordings_url or (self.data.resolve() / "recordings").as_uri()

    @property
    def spool(self) -> Path:
        """Where running calls write their recordings."""
        return self.data.resolve() / "spool"

    @property
    def on_loopback(self) -> bool:
        """Whether the API is reachable from this machine alone."""
        return self.api_host in LOOPBACK_HOSTS


def load_settings(env_file: str | Path | None = ".env") -> Settings:
    """Reads the environment and ``env_file``.

    Raises:
        pydantic.ValidationError: A value is not allowed; ``server.setup_problems`` words it.
    """
    names = _all_names(env_file)
    return Settings(
        _env_file=env_file,  # pyright: ignore[reportCallIssue]
        livekit_keys=_livekit_keys(names),
        providers=_providers(names),
        unknown_names=_unknown(names),
    )


def referable_values(env_file: str | Path | None = ".env") -> Mapping[str, str]:
    """What ``${NAME}`` in a file of trunks may stand for."""
    return _all_names(env_file)


def fork_environment() -> dict[str, str]:
    """The whole environment of a fork server: ours, with what it needs before it is executed."""
    return {**os.environ, **FORK_ENVIRONMENT}


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of a process started beside the server."""
    return {**os.environ, **changes}


def notify_socket() -> str | None:
    """The service supervisor's socket (sd_notify), if there is one."""
    return os.environ.get("NOTIFY_SOCKET")


def _all_names(env_file: str | Path | None) -> dict[str, str]:
    from_file = dotenv_values(env_file) if env_file else {}
    return {**{k: v for k, v in from_file.items() if v is not None}, **os.environ}


def _livekit_keys(names: Mapping[str, str]) -> dict[int, LiveKitKey]:
    places = {int(n.rpartition("_")[2]) for n in names if _FURTHER_KEY.fullmatch(n)}
    return {
        place: LiveKitKey(
            names.get(f"LIVEKIT_API_KEY_{place}", ""),
            SecretStr(names.get(f"LIVEKIT_API_SECRET_{place}", "")),
        )
        for place in sorted(places)
    }


def _providers(names: Mapping[str, str]) -> dict[str, ProviderSettings]:
    keys: dict[str, SecretStr] = {}
    urls: dict[str, str] = {}
    for name, value in sorted(names.items(), reverse=True):  # <NAME>_BASE_URL after <NAME>_URL
        if not value or name.startswith((PREFIX, "LIVEKIT_")):
            continue
        if name.endswith("_API_KEY"):
            keys[name.removesuffix("_API_KEY").lower()] = SecretStr(value)
        elif name.endswith("_URL"):
            urls[name.removesuffix("_URL").removesuffix("_BASE").lower()] = value
    return {
        name: ProviderSettings(keys.get(name), urls.get(name)) for name in sorted({*keys, *urls})
    }


def known_names() -> frozenset[str]:
    """Every ``SWITCHBOARD_*`` name that the server or a tool beside it reads."""
    ours = {
        PREFIX + name.upper()
        for name, field in Settings.model_fields.items()
        if field.validation_alias is None
        and name not in ("livekit_keys", "providers", "unknown_names")
    }
    return NAMES_OF_OTHERS | ours


def _unknown(names: Mapping[str, str]) -> tuple[str, ...]:
    known = known_names()
    return tuple(sorted(n for n in names if n.startswith(PREFIX) and n not in known))
