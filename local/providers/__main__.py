"""Runs the providers: ``python -m local.providers --rules flows``."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loguru import logger

from local.models import models_folder
from local.providers.engines import EngineError
from local.providers.readiness import announce_ready
from local.providers.rules import RulesError
from local.providers.server import ProviderOptions, Providers


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.providers", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 chooses a free one")
    parser.add_argument("--rules", type=Path, default=Path("flows"), help="folder of *.rules.yaml")
    parser.add_argument("--models", type=Path, default=models_folder(os.environ))
    parser.add_argument("--stt", choices=["moonshine", "whisper"], default="moonshine")
    parser.add_argument("--tts", choices=["piper", "flite"], default="piper")
    parser.add_argument(
        "--openai-url",
        metavar="URL",
        help="an OpenAI-compatible server (…/v1) that answers instead of the rules; "
        "its key comes from OPENAI_UPSTREAM_API_KEY",
    )
    parser.add_argument("--clauses", action="store_true", help="speak clause by clause")
    parser.add_argument("--token-ms", type=float, default=0, help="pause between the LLM's words")
    parser.add_argument(
        "--endpointing", default="", help="own end of speech in ms, as the cloud has (try 150)"
    )
    return parser.parse_args(arguments)


async def _run(chosen: argparse.Namespace) -> int:
    begin = time.monotonic()
    options = ProviderOptions(
        endpointing=chosen.endpointing,
        clauses=chosen.clauses,
        token_secs=chosen.token_ms / 1000,
        openai_url=chosen.openai_url,
        openai_key=os.environ.get("OPENAI_UPSTREAM_API_KEY"),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        providers = await Providers.start(
            rules=chosen.rules,
            models=chosen.models,
            host=chosen.host,
            port=chosen.port,
            stt=chosen.stt,
            tts=chosen.tts,
            options=options,
        )
    except (EngineError, RulesError) as error:
        logger.error(str(error))
        return 1
    except OSError as error:
        logger.error(f"Providers cannot listen on {chosen.host}:{chosen.port}, {error.strerror}")
        return 1
    secs = time.monotonic() - begin
    brain = chosen.openai_url or "rules"
    logger.info(
        f"Providers on http://{chosen.host}:{providers.port}: {chosen.stt}, {chosen.tts}, {brain} "
        f"(ready in {secs:.1f} s)"
    )
    announce_ready(os.environ.get("NOTIFY_SOCKET"))
    await stop.wait()
    await providers.close()
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code."""
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_run(_parse(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
