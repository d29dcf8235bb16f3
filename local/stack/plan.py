"""What each process of the stack is started with: command and environment."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.stack.phones import DESK_NUMBERS
from local.stack.ports import HOST, Ports

_PROVIDER_KEY = "local"
_UPSTREAM_KEY = "OPENAI_UPSTREAM_API_KEY"


@dataclass(frozen=True)
class LiveKitAccess:
    """A LiveKit and how to log in.

    Parameters:
        url: ``ws://`` or ``wss://``.
        api_key: API key.
        api_secret: Its secret.
        sip: ``host:port`` of its SIP bridge, if known.
    """

    url: str
    api_key: str
    api_secret: str = field(repr=False)
    sip: str | None = None

    @classmethod
    def for_this_run(cls, url: str) -> "LiveKitAccess":
        """A key and secret of this run's own."""
        return cls(url, "switchboard", secrets.token_urlsafe(32))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "LiveKitAccess | None":
        """The LiveKit that ``LIVEKIT_URL`` names.

        Raises:
            ValueError: If its key or secret is not set.
        """
        url = environ.get("LIVEKIT_URL")
        if not url:
            return None
        absent = [n for n in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET") if not environ.get(n)]
        if absent:
            raise ValueError(f"LIVEKIT_URL is set, but {' and '.join(absent)} not")
        return cls(
            url,
            environ["LIVEKIT_API_KEY"],
            environ["LIVEKIT_API_SECRET"],
            environ.get("SIP_ADDRESS"),
        )


def child_commands(
    ports: Ports,
    *,
    realistic: bool = False,
    rules_dir: Path = Path("flows"),
    openai_url: str | None = None,
) -> dict[str, list[str]]:
    """Arguments of Python, by child; without secrets."""
    exchange = ["-m", "local.exchange", "--host", HOST, "--http-port", str(ports.livekit)]
    exchange += ["--rtc-port", str(ports.media), "--sip-port", str(ports.sip)]
    exchange += ["--webhook-url", f"http://{HOST}:{ports.api}/webhooks/livekit"]
    providers = ["-m", "local.providers", "--host", HOST, "--port", str(ports.providers)]
    providers += ["--rules", str(rules_dir)]
    human = ["-m", "local.callers.human", "--registrar", f"{HOST}:{ports.sip}"]
    return {
        "exchange": exchange + (["--realistic"] if realistic else []),
        "providers": providers + (["--openai-url", openai_url] if openai_url else []),
        "server": ["-m", "server.cli", "serve"],
        "human": human,
    }


def child_environments(
    environ: Mapping[str, str],
    ports: Ports,
    livekit: LiveKitAccess,
    api_key: str,
    data_dir: Path,
    *,
    phones: Sequence[Mapping[str, str]] = (),
) -> dict[str, dict[str, str]]:
    """The whole environment of each child; secrets travel here and nowhere else."""
    # A secret goes only to the child that needs it.
    private = ("_API_KEY", "_API_SECRET")
    base = {
        name: value
        for name, value in environ.items()
        if not name.endswith(private) and not name.startswith("LIVEKIT_API_")
    }
    keys = {"LIVEKIT_API_KEY": livekit.api_key, "LIVEKIT_API_SECRET": livekit.api_secret}
    providers = f"{HOST}:{ports.providers}"
    server = {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_URLS": livekit.url,  # not those of a production's .env
        "DEEPGRAM_API_KEY": _PROVIDER_KEY,
        "DEEPGRAM_URL": f"ws://{providers}",
        "OPENAI_API_KEY": _PROVIDER_KEY,
        "OPENAI_BASE_URL": f"http://{providers}/v1",
        "CARTESIA_API_KEY": _PROVIDER_KEY,
        "CARTESIA_URL": f"ws://{providers}/tts/websocket",
        "SWITCHBOARD_API_HOST": HOST,
        "SWITCHBOARD_API_PORT": str(ports.api),
        "SWITCHBOARD_API_KEY": api_key,
        "SWITCHBOARD_DATA": str(data_dir),
        # The phones of this machine, as often as one likes.
        "SWITCHBOARD_CALL_ALLOWED": environ.get("SWITCHBOARD_CALL_ALLOWED") or "+1555*",
        "SWITCHBOARD_CALLS_PER_NUMBER": environ.get("SWITCHBOARD_CALLS_PER_NUMBER") or "0",
    }
    upstream = {name: environ[name] for name in (_UPSTREAM_KEY,) if name in environ}
    desk = [phone for phone in phones if phone["number"] in DESK_NUMBERS]
    return {
        "exchange": base | keys | {"EXCHANGE_PHONES": json.dumps(list(phones))},
        "providers": base | upstream,
        "server": base | keys | server,
        "human": base | {"HUMAN_PHONES": json.dumps(desk)},
    }
