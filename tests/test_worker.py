"""The worker takes the calls it has seats for, and comes back when LiveKit does."""

import asyncio

import jwt
import pytest
from livekit.protocol import agent as proto
from pydantic import SecretStr
from tenacity.wait import wait_fixed

from server import agent_worker
from server.agent_worker import AgentWorker, Assignment
from server.livekit_access import LiveKitAccess
from server.seats import Seats
from tests.fakes_server import FakeLiveKit, until

SECRET = "secret-of-at-least-32-characters!"
FULL = proto.WorkerStatus.WS_FULL


def access_of(livekit: FakeLiveKit) -> LiveKitAccess:
    return LiveKitAccess(livekit.url, "devkey", SecretStr(SECRET))


class Desk:
    """A worker, its seats, and what it was told."""

    def __init__(self, livekit: FakeLiveKit, seats: int = 2):
        self.seats = Seats(seats)
        self.assigned: list[Assignment] = []
        self.terminated: list[str] = []
        self.worker = AgentWorker(
            access_of(livekit),
            self.seats,
            agent_name="switchboard",
            on_assigned=self.assigned.append,
            on_terminated=self.terminated.append,
            wait=wait_fixed(0.01),
            spread_secs=0.01,
        )
        self.task = asyncio.create_task(self.worker.run())

    async def registered(self) -> "Desk":
        async with asyncio.timeout(5):
            await self.worker.registered.wait()
        return self

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@pytest.fixture
async def livekit():
    async with FakeLiveKit() as livekit:
        yield livekit


@pytest.fixture
async def desk(livekit):
    desk = await Desk(livekit).registered()
    yield desk
    await desk.close()


async def test_it_registers_for_rooms_under_its_name(livekit, desk):
    register = await livekit.next("register")
    assert (register.agent_name, register.type) == ("switchboard", proto.JobType.JT_ROOM)
    scheme, token = livekit.authorization.split()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert scheme == "Bearer" and claims["iss"] == "devkey" and claims["video"]["agent"]


async def test_an_offer_reserves_its_seat_before_the_answer(livekit, desk):
    answer = await livekit.offer("AJ_1", "room-1")
    assert answer.available and answer.participant_identity == "bot-room-1"
    assert desk.seats.taken == 1
    await livekit.assign("AJ_1", "room-1", "meta")
    update = await livekit.next("update_job")
    assert update.status == proto.JobStatus.JS_RUNNING
    (assignment,) = desk.assigned
    assert assignment == Assignment(
        "AJ_1", "room-1", livekit.url, "token", "bot-room-1", "meta", access_of(livekit)
    )


async def test_offers_beyond_the_seats_are_refused_at_once(livekit, desk):
    answers = [await livekit.offer(f"AJ_{n}", f"room-{n}") for n in range(3)]
    assert [answer.available for answer in answers] == [True, True, False]
    desk.seats.release("AJ_0")
    assert (await livekit.offer("AJ_4", "room-4")).available


async def test_a_room_gets_one_bot(livekit, desk):
    assert (await livekit.offer("AJ_1", "room-1")).available
    assert not (await livekit.offer("AJ_2", "room-1")).available


async def test_jobs_of_another_kind_are_refused(livekit, desk):
    answer = await livekit.offer("AJ_1", "room-1", kind=proto.JobType.JT_PUBLISHER)
    assert not answer.available and desk.seats.taken == 0


async def test_the_load_stays_below_the_limit_while_a_seat_is_free(livekit, desk):
    for n in range(2):
        await livekit.offer(f"AJ_{n}", f"room-{n}")
    await until(lambda: livekit.statuses[-1].status == FULL)
    available = [s for s in livekit.statuses if s.status != FULL]
    assert available and all(s.load < 0.7 for s in available)
    desk.seats.release("AJ_0")
    await until(lambda: livekit.statuses[-1].status != FULL)
    assert livekit.statuses[-1].job_count == 1


async def test_a_draining_worker_is_full(livekit, desk):
    desk.seats.drain()
    await until(lambda: livekit.statuses and livekit.statuses[-1].status == FULL)
    assert not (await livekit.offer("AJ_1", "room-1")).available


async def test_an_accepted_job_that_is_never_assigned_frees_its_seat(livekit, desk, monkeypatch):
    monkeypatch.setattr(agent_worker, "ASSIGNMENT_SECS", 0.05)
    await livekit.offer("AJ_1", "room-1")
    await until(lambda: desk.seats.taken == 0)
    await livekit.assign("AJ_1", "room-1")  # too late: the caller of this job is another's
    assert (await livekit.next("update_job")).status == proto.JobStatus.JS_FAILED
    assert desk.assigned == []


async def test_a_termination_names_the_job(livekit, desk):
    await livekit.send(termination=proto.JobTermination(job_id="AJ_1"))
    await until(lambda: desk.terminated == ["AJ_1"])


async def test_a_lost_connection_is_made_again_and_calls_keep_their_seats(livekit, desk):
    await livekit.offer("AJ_1", "room-1")
    await livekit.socket.close()
    await until(lambda: livekit.connections == 2)
    await desk.registered()
    await until(lambda: livekit.statuses[-1].job_count == 1)


@pytest.mark.parametrize(
    "status, words",
    [(401, "refused the key 'devkey': check LIVEKIT_API_KEY"), (404, "is LIVEKIT_URL right?")],
)
async def test_a_refused_connection_says_why_and_is_tried_again(livekit, status, words):
    livekit.refuse = status
    desk = Desk(livekit)
    await until(lambda: livekit.connections >= 3)
    assert words in desk.worker.problem and SECRET not in desk.worker.problem
    livekit.refuse = None
    await desk.registered()
    assert desk.worker.problem == ""
    await desk.close()


async def test_a_livekit_that_is_not_there_is_named(livekit):
    livekit.url = "ws://127.0.0.1:9"
    desk = Desk(livekit)
    await until(lambda: "does not answer at ws://127.0.0.1:9" in desk.worker.problem)
    await desk.close()


def test_a_seat_is_released_once():
    seats = Seats(1)
    assert seats.reserve("a", "room-a") is None
    assert "all 1 seats" in (seats.reserve("b", "room-b") or "")
    seats.release("a")
    seats.release("a")
    assert seats.taken == 0 and not seats.full
