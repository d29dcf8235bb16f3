"""A call that is asked for twice is one call, and nobody is called too often."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from records.call_record import CallRecord
from records.line_events import NumberOptedOut
from records.opt_outs import OptedOutError
from records.placed_calls import (
    PlacedCall,
    PlacedCalls,
    PlacingLimits,
    TooManyCallsError,
)
from records.store import CallStore

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANY_NUMBER = PlacingLimits()
CALL = PlacedCall("c1", "key-1", "+14155550123", "reminder", "hash", "order-7")


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(tmp_path):
    store = await CallStore.open(f"sqlite:///{tmp_path}/calls.db")
    yield store
    await store.close()


@pytest.fixture
def placed(store, clock):
    return PlacedCalls(store._engine, now=clock)


def another(call_id: str, **changes) -> PlacedCall:
    return replace(CALL, **{"call_id": call_id, "idempotency_key": None, **changes})


async def ended(store, call_id: str, outcome) -> None:
    await store.save(CallRecord(call_id=call_id, started_at=NOON, outcome=outcome))


async def test_repeated_request_is_the_first_ones_call(placed):
    assert (await placed.claim(CALL, ANY_NUMBER)).call_id == "c1"
    again = await placed.claim(replace(CALL, call_id="c2"), ANY_NUMBER)
    assert (again.call_id, again.repeated, again.same) == ("c1", True, True)


async def test_repeated_request_after_a_restart_is_still_the_first_ones_call(tmp_path):
    url = f"sqlite:///{tmp_path}/restart.db"
    for call_id in ("c1", "c2"):
        store = await CallStore.open(url)
        claim = await store.placed.claim(replace(CALL, call_id=call_id), ANY_NUMBER)
        await store.close()
    assert (claim.call_id, claim.repeated) == ("c1", True)


async def test_key_used_for_another_request_is_noticed(placed):
    await placed.claim(CALL, ANY_NUMBER)
    again = await placed.claim(replace(CALL, call_id="c2", request_hash="other"), ANY_NUMBER)
    assert again.repeated and not again.same


async def test_two_clients_may_use_the_same_idempotency_key(placed):
    await placed.claim(CALL, ANY_NUMBER)
    other = await placed.claim(replace(CALL, call_id="c2", api_key="key-2"), ANY_NUMBER)
    assert (other.call_id, other.repeated) == ("c2", False)


async def test_requests_at_the_same_moment_are_one_call(placed):
    claims = await asyncio.gather(
        *(placed.claim(replace(CALL, call_id=f"c{n}"), ANY_NUMBER) for n in range(8))
    )
    assert len({claim.call_id for claim in claims}) == 1
    assert sum(not claim.repeated for claim in claims) == 1


async def test_call_that_was_never_begun_may_be_asked_for_again(placed):
    await placed.claim(CALL, ANY_NUMBER)
    await placed.release("c1")
    again = await placed.claim(replace(CALL, call_id="c2"), ANY_NUMBER)
    assert (again.call_id, again.repeated) == ("c2", False)


async def test_idempotency_key_is_forgotten_after_a_week(placed, clock):
    await placed.claim(CALL, ANY_NUMBER)
    clock.pass_(days=7, seconds=1)
    assert not (await placed.claim(replace(CALL, call_id="c2"), ANY_NUMBER)).repeated


async def test_number_is_not_called_too_often(placed, clock):
    limits = PlacingLimits(per_number=2)
    await placed.claim(another("c1"), limits)
    clock.pass_(minutes=10)
    await placed.claim(another("c2"), limits)
    with pytest.raises(TooManyCallsError) as caught:
        await placed.claim(another("c3"), limits)
    assert (caught.value.code, caught.value.retry_after_secs) == ("too_many_calls_to_number", 3000)
    await placed.claim(another("c4", number="+14155550199"), limits)
    clock.pass_(seconds=3000)
    await placed.claim(another("c5"), limits)


async def test_key_does_not_ask_for_too_many_calls(placed, clock):
    limits = PlacingLimits(per_key=2)
    for n in range(2):
        await placed.claim(another(f"c{n}", number=f"+1415555010{n}"), limits)
    with pytest.raises(TooManyCallsError) as caught:
        await placed.claim(another("c3", number="+14155550103"), limits)
    assert (caught.value.code, caught.value.retry_after_secs) == ("too_many_calls", 60)
    await placed.claim(another("c4", api_key="key-2"), limits)
    clock.pass_(seconds=61)
    await placed.claim(another("c5"), limits)


async def test_repeated_request_counts_once(placed):
    limits = PlacingLimits(per_number=1, per_key=1)
    await placed.claim(CALL, limits)
    assert (await placed.claim(replace(CALL, call_id="c2"), limits)).repeated


async def test_attempts_count_calls_that_nobody_answered(placed, store, clock):
    attempts = []
    for n, outcome in enumerate(["no_answer", "busy", "voicemail", "completed", "busy"]):
        clock.pass_(minutes=1)
        attempts.append((await placed.claim(another(f"c{n}"), ANY_NUMBER)).attempt)
        await ended(store, f"c{n}", outcome)
    assert attempts == [1, 2, 3, 4, 1]
    assert (await placed.claim(another("other", bot="survey"), ANY_NUMBER)).attempt == 1
    clock.pass_(hours=24)
    assert (await placed.claim(another("late"), ANY_NUMBER)).attempt == 1


async def test_number_that_opted_out_is_not_called_again_by_anybody(store, placed):
    moment = {"call_id": "c0", "seq": 1, "at": NOON, "t": 0.0}
    out = NumberOptedOut(**moment, number=CALL.number)
    await store.append(out)
    await store.append(out.model_copy(update={"seq": 2}))
    for call in (CALL, another("c2", bot="survey")):
        with pytest.raises(OptedOutError) as caught:
            await placed.claim(call, ANY_NUMBER)
        assert caught.value.since == NOON
    await placed.claim(another("c3", number="+14155550199"), ANY_NUMBER)


async def test_a_number_that_is_taken_off_the_list_may_be_called_again(store, placed):
    assert await store.opt_outs.add(CALL.number) and not await store.opt_outs.add(CALL.number)
    with pytest.raises(OptedOutError):
        await placed.claim(CALL, ANY_NUMBER)
    assert [(each.number, each.call_id) for each in await store.opt_outs.all()] == [
        (CALL.number, "")
    ]
    assert await store.opt_outs.remove(CALL.number) and not await store.opt_outs.remove(CALL.number)
    await placed.claim(CALL, ANY_NUMBER)
