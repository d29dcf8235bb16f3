"""``switchboard serve``: the production entry."""

import asyncio
import signal
import sys

from loguru import logger
from pydantic import ValidationError

from records.database import StoreError
from records.recordings import RecordingError
from records.store import CallStore
from server.api_key import ensure_key
from server.call_process import ConfigurationError
from server.logs import set_up_logs
from server.server import SESSION, Server, require_settings
from server.settings import Settings, load_settings


def serve(*, session: str = SESSION) -> int:
    """Serves calls until SIGTERM (drain) or SIGINT (polite end); the exit status."""
    try:
        settings = load_settings()
        set_up_logs(settings.log, settings.log_level)
        require_settings(settings)
        asyncio.run(_serve(settings, session))
    except ValidationError as error:
        for line in setting_problems(error):
            print(line, file=sys.stderr)
        return 1
    except (ConfigurationError, StoreError, RecordingError, OSError) as error:
        for line in str(error).splitlines():
            print(f"switchboard: {line}", file=sys.stderr)
        return 1
    return 0


def setting_problems(error: ValidationError) -> list[str]:
    """A line for each setting that is wrong, without its value if that may be a secret."""
    return [
        f"{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]


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
