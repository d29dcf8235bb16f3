"""The bot calls real phones by SIP: one of ours, and baresip, which nobody here wrote."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from local.stack.api import ApiError
from server.call_command import PlacedByHand, Wish
from server.call_list import ApiAddress
from tests.desk import desk_phone
from tests.fakes_baresip import Foreign, closed, loudness, pump, within
from tests.line import Line, open_line

in_module = pytest.mark.asyncio(loop_scope="module")

ANYBODY = "+15550190"
STOP = "Please stop calling me."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    async with open_line(tmp_path_factory.mktemp("stack"), [STOP]) as line:
        yield line


@pytest_asyncio.fixture(loop_scope="module")
async def line(whole: Line) -> AsyncIterator[Line]:
    """The line; behind each test nothing of its calls may be left."""
    yield whole
    await whole.is_clean()


@pytest_asyncio.fixture(loop_scope="module")
async def foreign() -> AsyncIterator[Foreign]:
    async with Foreign() as foreign:
        yield foreign


async def place(line: Line, number: str = ANYBODY, **changes: Any) -> dict[str, Any]:
    body = {"phone_number": number, "bot": "reminder", "variables": {"name": "Ada"}, **changes}
    return await line.api.post(f"{line.stack.address.api}/calls", body)


async def over(line: Line, call_id: str, secs: float = 20) -> dict[str, Any]:
    """The record of a call that is over: its stream of events ends when it is saved."""
    url = f"{line.stack.address.api}/calls/{call_id}"
    async with asyncio.timeout(secs):
        async with line.api._session.get(f"{url}/events") as events:
            await events.read()
    return await line.api.get(f"/calls/{call_id}")


def registers(line: Line, number: str = ANYBODY) -> dict[str, Any]:
    """How a foreign phone becomes one of this machine."""
    login = next(phone for phone in line.stack.address.phones if phone["number"] == number)
    return {
        "user": login["user"],
        "domain": line.stack.address.sip,
        "password": login["password"],
        "reg_interval": 60,
    }


@in_module
async def test_number_that_nobody_registered_is_invalid(line: Line):
    placed = await place(line)
    assert (await line.api.get(f"/calls/{placed['call_id']}"))["room"] == placed["room"]
    record = await over(line, placed["call_id"])
    assert (record["outcome"], record["reason"]) == ("invalid_number", "sip:404 Not Found")
    assert (record["direction"], record["dialled"]) == ("outbound", ANYBODY)
    assert (record["dial"]["sip_code"], record["dial"]["retry_after_secs"]) == (404, None)
    with pytest.raises(ApiError, match="invalid_number"):
        await place(line, "+4930")


@in_module
async def test_foreign_phone_that_answers_hears_who_calls(line: Line, foreign: Foreign):
    answered = await foreign.answering_agent(**registers(line))
    placed = await place(line)
    there = await within(answered.get())
    await there.wait_established(8)
    heard = await pump(there, 7.0)  # a silent answerer is greeted after 4 s
    assert loudness(heard[-24000:]) > 200
    await there.hangup()
    record = await over(line, placed["call_id"])
    assert (record["outcome"], record["dial"]["outcome"]) == ("caller_hung_up", "answered")
    assert record["sip_call_id"]
    assert record["turns"][0]["bot_text"].startswith("Hello Ada, this is an automated call")
    assert record["variables"] == {"name": "Ada"}


@in_module
async def test_foreign_phone_that_is_busy_is_worth_another_attempt(line: Line, foreign: Foreign):
    agent = await foreign.agent(**registers(line))
    rejecting: list[asyncio.Task] = []
    agent.on_incoming(lambda call: rejecting.append(asyncio.create_task(call.reject())))
    first = await place(line)
    record = await over(line, first["call_id"])
    assert (record["outcome"], record["dial"]["sip_code"]) == ("busy", 486)
    assert (record["dial"]["attempt"], record["dial"]["retry_after_secs"]) == (1, 60)
    second = await place(line)
    assert second["attempt"] == 2
    assert (await over(line, second["call_id"]))["dial"]["retry_after_secs"] == 300
    assert len(rejecting) == 2


@in_module
async def test_foreign_phone_that_nobody_picks_up_rings_to_the_limit(line: Line, foreign: Foreign):
    agent = await foreign.agent(**registers(line))
    rung: asyncio.Queue = asyncio.Queue()
    agent.on_incoming(rung.put_nowait)
    placed = await place(line, ring_secs=5)
    there = await within(rung.get())
    record = await over(line, placed["call_id"])
    await within(closed(there))
    assert record["outcome"] == "no_answer" and not record["answered_at"]
    assert 4.5 < record["dial"]["secs"] < 8
    assert record["dial"]["rang_after_secs"] is not None
    assert record["dial"]["retry_after_secs"] == 14400, "after two that were busy"


@in_module
@pytest.mark.parametrize("now", ["0", "1"])
async def test_call_that_is_hung_up_while_it_rings_stops_ringing_at_once(line: Line, now: str):
    async with desk_phone(line.stack, ANYBODY) as desk:
        placed = await place(line)
        ringing = await desk.rung()
        asked = time.monotonic()
        url = f"{line.stack.address.api}/calls/{placed['call_id']}?now={now}"
        async with line.api._session.delete(url) as answer:
            assert answer.status == 202
        await within(ringing.wait_ended(), 3)
        assert time.monotonic() - asked < 2
        record = await over(line, placed["call_id"])
    assert (record["outcome"], record["dial"]["outcome"]) == ("cancelled", "cancelled")


@in_module
async def test_command_line_follows_a_call_that_is_declined(line: Line):
    said: list[str] = []
    address = ApiAddress(line.stack.address.api, line.stack.address.api_key)
    body = {"phone_number": ANYBODY, "bot": "reminder", "variables": {"name": "Ada"}}
    async with desk_phone(line.stack, ANYBODY) as desk:
        calling = asyncio.create_task(PlacedByHand(address, Wish(body), said.append).run())
        (await desk.rung()).reject(603, "Decline")
        assert await within(calling, 15) == 5
    told = "\n".join(said)
    assert "it rings" in told and "not answered: declined (603 Decline)" in told
    assert "ended: rejected (sip:603 Decline)" in told


@in_module  # the last one: afterwards this number is called no more
async def test_somebody_who_wants_no_calls_is_told_so_and_is_not_called_again(line: Line):
    async with desk_phone(line.stack, ANYBODY) as desk:
        once = {"idempotency_key": "once", "metadata": {"order": 7}}
        placed = await place(line, **once)
        assert (await place(line, **once))["call_id"] == placed["call_id"]
        phone = await desk.answered()
        began = time.monotonic()
        await phone.bot_speaks(since=began, for_secs=0.4, within_secs=10)
        await phone.bot_is_quiet(since=began, quiet_secs=1.2, within_secs=20)
        await phone.say(line.lines[STOP])
        await phone.wait_ended(15)
        words = (await line.words(phone)).lower()
        assert "ada" in words and "we will not call you again" in words
        record = await over(line, placed["call_id"])
        assert desk.rings.empty(), "asked for twice, called once"
    assert (record["outcome"], record["results"]) == ("completed", {"answer": "stop_calling"})
    assert record["metadata"] == '{"order": 7}'
    with pytest.raises(ApiError, match="opted_out"):
        await place(line)
