"""Dispatches jobs to agent workers: who is asked, what the bot gets, when it is told to stop."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from livekit.protocol import agent as pb
from livekit.protocol import agent_dispatch as dispatch_pb
from livekit.protocol import models
from livekit.protocol import room as room_pb
from loguru import logger

from local.exchange.ids import new_id
from local.exchange.participant import Info
from local.exchange.room import Room, RoomEvent
from local.exchange.rooms import Rooms
from local.exchange.tokens import Claims
from local.exchange.worker import Worker, WorkerGoneError
from local.exchange.worker_hub import WorkerHub

ASK_SECS = 3.0
REMOVE_SECS = 3.0
JOB_TOKEN_SECS = 3600
# Between the wish for a job and the first question, on livekit-server.
REALISTIC_DELAY_SECS = 0.205


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job that a worker has taken."""

    room: Room
    dispatch_id: str
    job_id: str
    worker: Worker
    identity: str


@dataclass(frozen=True, slots=True)
class _Wish:
    room: Room
    dispatch: dispatch_pb.AgentDispatch
    job_type: pb.JobType
    participant: Info | None = None


class Dispatcher:
    """Keeps the dispatches of every room and turns them into jobs.

    JT_ROOM jobs begin with the dispatch, JT_PARTICIPANT ones with each participant that is no
    agent, JT_PUBLISHER ones with its first track. A job that no worker is registered for waits for
    one as long as the room lives; ``realistic`` drops it for good, as livekit-server does.
    """

    def __init__(self, rooms: Rooms, hub: WorkerHub, api_key: str, *, realistic: bool = False):
        """Follow ``rooms``.

        Args:
            rooms: Whose openings and events are followed.
            hub: Where the workers are.
            api_key: Signs the job tokens.
            realistic: Imitate the delay and the dropped jobs of livekit-server.
        """
        self._rooms, self._hub, self._api_key = rooms, hub, api_key
        self._realistic = realistic
        self._dispatches: dict[str, dict[str, dispatch_pb.AgentDispatch]] = {}
        self._assignments: list[Assignment] = []
        self._waiting: list[_Wish] = []
        self._tasks: set[asyncio.Task[None]] = set()
        rooms.on_open.append(self._on_open)
        rooms.on_event.append(self._on_event)
        hub.on_registered = self._on_registered

    async def close(self) -> None:
        """Ask nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def create(
        self,
        room: Room,
        wish: dispatch_pb.RoomAgentDispatch | dispatch_pb.CreateAgentDispatchRequest,
    ) -> dispatch_pb.AgentDispatch:
        """Dispatch an agent to a room."""
        dispatch = dispatch_pb.AgentDispatch(
            id=new_id("AD_"),
            agent_name=wish.agent_name,
            room=room.name,
            metadata=wish.metadata,
            deployment=wish.deployment,
            attributes=wish.attributes,
            state=dispatch_pb.AgentDispatchState(created_at=time.time_ns()),
        )
        self._dispatches.setdefault(room.info.sid, {})[dispatch.id] = dispatch
        self._launch(_Wish(room, dispatch, pb.JT_ROOM))
        for participant in list(room.participants.values()):
            if not participant.dependent:
                self._launch(_Wish(room, dispatch, pb.JT_PARTICIPANT, participant.info))
                if participant.tracks:
                    self._launch(_Wish(room, dispatch, pb.JT_PUBLISHER, participant.info))
        return dispatch

    def delete(self, room: Room, dispatch_id: str) -> dispatch_pb.AgentDispatch | None:
        """End a dispatch: its jobs are terminated, bots that stay are removed after 3 s."""
        dispatch = self._dispatches.get(room.info.sid, {}).pop(dispatch_id, None)
        if dispatch is None:
            return None
        dispatch.state.deleted_at = time.time_ns()
        ended = [a for a in self._assignments if a.dispatch_id == dispatch_id]
        self._terminate(ended)
        for assignment in ended:
            self._run(self._remove_later(room, assignment.identity))
        return dispatch

    def of(self, room: Room) -> list[dispatch_pb.AgentDispatch]:
        """Return a room's dispatches."""
        return list(self._dispatches.get(room.info.sid, {}).values())

    def _on_open(
        self, room: Room, config: room_pb.CreateRoomRequest | room_pb.RoomConfiguration | None
    ) -> None:
        # Without a list of agents the unnamed agent is meant.
        unnamed = [dispatch_pb.RoomAgentDispatch()]
        for agent in (config.agents if config else None) or unnamed:
            self.create(room, agent)

    def _on_event(self, event: RoomEvent) -> None:
        room, who = event.room, event.participant
        if event.name == "room_finished":
            self._terminate([a for a in self._assignments if a.room is room])
            self._dispatches.pop(room.info.sid, None)
            self._waiting = [wish for wish in self._waiting if wish.room is not room]
        elif who is None or event.info is None:
            return
        elif event.name in ("participant_left", "participant_connection_aborted"):
            # One that came again under its identity goes on with its job.
            if event.info.disconnect_reason != models.DUPLICATE_IDENTITY:
                self._terminate(
                    [a for a in self._assignments if a.room is room and a.identity == who.identity]
                )
        elif not who.dependent and event.name == "participant_joined":
            self._launch_all(room, pb.JT_PARTICIPANT, event.info)
        elif not who.dependent and event.name == "track_published" and len(who.tracks) == 1:
            self._launch_all(room, pb.JT_PUBLISHER, event.info)

    def _on_registered(self, worker: Worker) -> None:
        mine = [
            wish
            for wish in self._waiting
            if (wish.dispatch.agent_name, wish.job_type) == (worker.agent_name, worker.job_type)
        ]
        for wish in mine:
            self._waiting.remove(wish)
            self._launch(wish)

    def _launch_all(self, room: Room, job_type: pb.JobType, info: Info) -> None:
        for dispatch in self.of(room):
            self._launch(_Wish(room, dispatch, job_type, info))

    def _launch(self, wish: _Wish) -> None:
        if self._realistic or self._hub.named(wish.dispatch.agent_name, wish.job_type):
            self._run(self._find_worker(wish))
            return
        self._waiting.append(wish)
        if wish.dispatch.agent_name and wish.job_type == pb.JT_ROOM:
            logger.warning(
                f"{wish.room}: no worker is registered for agent "
                f"{wish.dispatch.agent_name!r}; the job waits for one while the room is open"
            )

    async def _find_worker(self, wish: _Wish) -> None:
        if self._realistic:
            await asyncio.sleep(REALISTIC_DELAY_SECS)
        job = _job(wish)
        asked: set[str] = set()
        try:
            async with asyncio.timeout(ASK_SECS):
                while worker := self._hub.pick(job.agent_name, wish.job_type, asked):
                    asked.add(worker.id)
                    job.state.worker_id = worker.id
                    try:
                        answer = await worker.ask(job)
                    except WorkerGoneError:
                        continue
                    if answer.available:
                        self._assign(wish, job, worker, answer)
                        return
        except TimeoutError:
            logger.warning(
                f"{wish.room}: worker {job.state.worker_id} did not answer in {ASK_SECS:g} s"
            )
        if job.agent_name:
            logger.warning(
                f"{wish.room}: job {job.id} for agent {job.agent_name!r} is lost: "
                f"{len(asked)} workers asked, none took it"
            )

    def _assign(
        self, wish: _Wish, job: pb.Job, worker: Worker, answer: pb.AvailabilityResponse
    ) -> None:
        if self._rooms.get(wish.room.name) is not wish.room:
            return
        identity = answer.participant_identity or f"agent-{job.id}"
        job.state.participant_identity = identity
        wish.dispatch.state.jobs.append(job)
        self._assignments.append(Assignment(wish.room, wish.dispatch.id, job.id, worker, identity))
        token = self._rooms.mint(
            _job_claims(self._api_key, wish, worker, answer, identity), JOB_TOKEN_SECS
        )
        worker.send(pb.ServerMessage(assignment=pb.JobAssignment(job=job, token=token)))
        logger.info(f"{wish.room}: job {job.id} assigned to {worker}")

    def _terminate(self, assignments: Iterable[Assignment]) -> None:
        for assignment in assignments:
            self._assignments.remove(assignment)
            termination = pb.JobTermination(job_id=assignment.job_id)
            assignment.worker.send(pb.ServerMessage(termination=termination))

    async def _remove_later(self, room: Room, identity: str) -> None:
        await asyncio.sleep(REMOVE_SECS)
        if participant := room.participants.get(identity):
            room.leave(participant, models.PARTICIPANT_REMOVED)

    def _run(self, coroutine) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _job(wish: _Wish) -> pb.Job:
    now = time.time_ns()
    job = pb.Job(
        id=new_id("AJ_"),
        dispatch_id=wish.dispatch.id,
        type=wish.job_type,
        room=wish.room.info,
        metadata=wish.dispatch.metadata,
        agent_name=wish.dispatch.agent_name,
        deployment=wish.dispatch.deployment,
        attributes=wish.dispatch.attributes,
        state=pb.JobState(status=pb.JS_RUNNING, started_at=now, updated_at=now),
    )
    if wish.participant is not None:
        job.participant.CopyFrom(wish.participant)
        job.participant.state = Info.JOINED
    return job


def _job_claims(
    api_key: str, wish: _Wish, worker: Worker, answer: pb.AvailabilityResponse, identity: str
) -> Claims:
    may = worker.permission
    return Claims(
        api_key=api_key,
        identity=identity,
        name=answer.participant_name,
        kind="agent",
        metadata=answer.participant_metadata,
        attributes={
            "lk.agent_name": wish.dispatch.agent_name,
            **answer.participant_attributes,
        },
        video={
            "roomJoin": True,
            "room": wish.room.name,
            "canPublish": may is None or may.can_publish,
            "canSubscribe": may is None or may.can_subscribe,
            "canPublishData": may is None or may.can_publish_data,
            "canUpdateOwnMetadata": may is None or may.can_update_metadata,
            "agent": True,
            "canSubscribeMetrics": False,
        },
    )
