"""A log line names its call, and keeps the caller's number to itself."""

import json
import logging

import pytest
from loguru import logger

from server.logs import set_up_logs


@pytest.fixture(autouse=True)
def logs_as_before():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logger.remove()
    logger.configure(patcher=lambda _: None)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_a_line_of_text_begins_with_the_call(capsys):
    set_up_logs("text", "INFO")
    with logger.contextualize(call_id="c1"):
        logger.info("joined {room}")
    logger.debug("unseen")
    assert "[c1] joined {room}\n" in capsys.readouterr().err


def test_a_line_of_json_is_one_object(capsys):
    set_up_logs("json", "INFO")
    with logger.contextualize(call_id="c1"):
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("it {broke}")
    line = json.loads(capsys.readouterr().err)
    assert (line["call_id"], line["level"], line["message"]) == ("c1", "ERROR", "it {broke}")
    assert "ValueError: two" in line["exception"]


@pytest.mark.parametrize("level, number", [("INFO", "+1555•••7777"), ("DEBUG", "+15555557777")])
def test_a_number_is_whole_at_debug_only(capsys, level, number):
    set_up_logs("text", "DEBUG")
    logger.log(level, "joined call-+15555557777_abc")
    assert f"call-{number}_abc" in capsys.readouterr().err


def test_a_traceback_tells_no_values(capsys):
    set_up_logs("text", "INFO")
    secret = "very-secret"
    try:
        len(secret, 1)
    except TypeError:
        logger.exception("broke")
    assert secret not in capsys.readouterr().err


def test_warnings_of_libraries_come_too(capsys):
    set_up_logs("text", "INFO")
    logging.getLogger("aiohttp").warning("a library says")
    logging.getLogger("aiohttp").info("unseen")
    err = capsys.readouterr().err
    assert "WARNING" in err and "a library says" in err and "unseen" not in err
