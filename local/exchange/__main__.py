"""Runs an exchange: ``python -m local.exchange --config FILE.yaml``.

The key pair comes from LIVEKIT_API_KEY and LIVEKIT_API_SECRET, phones that may register from
EXCHANGE_PHONES: a JSON list of objects with ``number``, ``user`` and ``password``.
"""

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from loguru import logger

from local.exchange.config import DEFAULT_CONFIG, ConfigError, ExchangeConfig, load_config
from local.exchange.exchange import Exchange


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    options = _parser().parse_args()
    logger.remove()
    logger.add(sys.stderr, level=options.log_level)
    try:
        config = load_config(
            options.config,
            api_key=os.environ.get("LIVEKIT_API_KEY"),
            api_secret=os.environ.get("LIVEKIT_API_SECRET"),
            host=options.host,
            http_port=options.http_port,
            rtc_port=options.rtc_port,
            sip_port=options.sip_port,
            realistic=options.realistic or None,
            webhooks=tuple(options.webhook_url) or None,
            phones=_phones(os.environ.get("EXCHANGE_PHONES")),
        )
    except ConfigError as exc:
        logger.error(str(exc))
        return 2
    try:
        asyncio.run(_serve(config))
    except OSError as exc:
        logger.error(f"the exchange cannot listen: {exc}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.exchange", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="YAML file")
    parser.add_argument("--host", help="IPv4 address to listen on and to name to clients")
    parser.add_argument("--http-port", type=int, help="TCP: websocket and HTTP API")
    parser.add_argument("--rtc-port", type=int, help="UDP: media of the clients")
    parser.add_argument("--sip-port", type=int, help="UDP: SIP")
    parser.add_argument("--webhook-url", action="append", default=[], help="may be repeated")
    parser.add_argument(
        "--realistic", action="store_true", help="add the delays measured on real LiveKit"
    )
    parser.add_argument("--log-level", default="INFO")
    return parser


def _phones(text: str | None) -> Any:
    """The phones of the environment; what is in them is judged with the configuration."""
    try:
        return json.loads(text) if text else None
    except ValueError as exc:
        raise ConfigError("EXCHANGE_PHONES: a JSON list is expected") from exc


async def _serve(config: ExchangeConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    exchange = await Exchange.start(config)
    # What is loaded by now stays; looking through it would hold all calls up for 50 ms.
    gc.freeze()
    try:
        logger.info(f"exchange: {exchange.describe()}")
        _notify("READY=1")
        await stop.wait()
        _notify("STOPPING=1")
    finally:
        await exchange.close()


def _notify(state: str) -> None:
    """Tell the process that started this one (sd_notify protocol)."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
        try:
            client.sendto(state.encode(), address)
        except OSError as exc:  # who started this process has gone
            logger.warning(f"{state} could not be told: {exc}")


if __name__ == "__main__":
    sys.exit(main())
