"""``switchboard serve``: the production entry."""

import asyncio
import signal
import sys
from collections.abc import Iterable

from loguru import logger
from pydantic import ValidationError

from records.database import StoreError
from records.recordings import RecordingError
from records.store import CallStore
from server.api_key import ensure_key
from server.call_process import ConfigurationError
from server.logs import set_up_logs
from server.server import SESSION, Server
from server.setting_problems import invalid_settings, missing_settings, unknown_settings
from server.settings import Settings, load_settings


def serve(*, session: str = SESSION) -> int:
    """Serves calls until SIGTERM (drain) or SIGINT (polite end); the exit status."""
    try:
        settings = load_settings()
        set_up_logs(settings.log, settings.log_level)
        if problems := list(missing_settings(settings)):
            raise ConfigurationError("\n".join(str(problem) for problem in problems))
        for problem in unknown_settings(settings):
            logger.warning(str(problem))
        asyncio.run(_serve(settings, session))
    except ValidationError as error:
        return _refused(str(problem) for problem in invalid_settings(error))
    except (ConfigurationError, StoreError, RecordingError, OSError) as error:
        return _refused(str(error).splitlines())
    return 0


def _refused(lines: Iterable[str]) -> int:
    for line in lines:
        print(f"switchboard: {line}", file=sys.stderr)
    return 1


async def _serve(settings: Settings, session: str) -> None:
    api_key = settings.api_key.get_secret_value() or ensure_key(settings.data)
    store = await CallStore.open(settings.database)
    server = Server(settings, api_key, store, session=session)
    loop = asyncio.get_running_loop()
    heard: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        heard.append(number)
        gentle = "drain" if number == signal.SIGTERM else "hang_up"
        server.stop(gentle if len(heard) == 1 else "now")
        logger.info(f"{number.name}: {'stopping' if len(heard) == 1 else 'stopping now'}")

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await server.run()
