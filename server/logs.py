"""How the server writes what happens: lines of text or JSON, with the call's id."""

import json
import logging
import sys
from typing import TYPE_CHECKING

from loguru import logger

from records.redaction import mask_numbers

if TYPE_CHECKING:
    from loguru import Message, Record

TEXT = "{time:HH:mm:ss.SSS} {level: <7} {extra[call]}{message}\n{exception}"


def set_up_logs(form: str, level: str) -> None:
    """Sends all logs to stderr; libraries' own warnings and errors too.

    Args:
        form: ``text`` or ``json``: one object a line.
        level: The lowest level that is written.
    """
    logger.remove()
    logger.configure(patcher=_mask)
    # Tracebacks without the values of variables, which may be secrets or a caller's words.
    if form == "json":
        logger.add(_write_json, level=level, format="{message}", diagnose=False, backtrace=False)
    else:
        logger.add(sys.stderr, level=level, format=_text, diagnose=False, backtrace=False)
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


def _mask(record: "Record") -> None:
    """Rooms and identities are named after callers; whole numbers appear at DEBUG only."""
    if record["level"].no > logger.level("DEBUG").no:
        record["message"] = mask_numbers(record["message"])


def _text(record: "Record") -> str:
    call_id = record["extra"].get("call_id")
    record["extra"]["call"] = f"[{call_id}] " if call_id else ""
    return TEXT


def _write_json(message: "Message") -> None:
    record = message.record
    line = {
        "at": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        "from": f"{record['name']}:{record['line']}",
        **{key: str(value) for key, value in record["extra"].items()},
    }
    if record["exception"]:
        line["exception"] = str(message).partition("\n")[2].strip()
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


class _ToLoguru(logging.Handler):
    """Hands the standard library's records on."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.opt(depth=6, exception=record.exc_info).log(
            record.levelname if record.levelname in _LEVELS else "WARNING", record.getMessage()
        )


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
