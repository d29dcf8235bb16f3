"""One call as the server sees it: from the job to exactly one saved record."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger
from sqlalchemy.exc import SQLAlchemyError

from bots.job import CallJob
from records.call_record import CallRecord
from records.event import Event
from records.events import EVENT, Answered, CallEnded, CallStarted, ErrorRaised
from records.log import EventLog
from records.outcomes import Outcome
from records.store import CallStore
from records.transfer_events import TransferStarted
from server.call_pool import CallPool
from server.call_process import ConfigurationError
from server.finished_recording import FinishedRecordings
from server.forked_process import ForkedProcess
from server.live_events import LiveEvents
from server.livekit_access import Rooms
from server.metrics import Metrics
from transports.desk_line import desk_room

SAVE_ATTEMPTS = 3


@dataclass(frozen=True)
class Surroundings:
    """What all calls of a server share."""

    pool: CallPool
    store: CallStore
    recordings: FinishedRecordings
    rooms: Rooms
    live: LiveEvents
    metrics: Metrics


@dataclass(frozen=True)
class CallLimits:
    """How long a call and its end may take.

    Parameters:
        max_call_secs: The whole call.
        polite_secs: From the polite request to end, which lets the bot finish, until SIGTERM.
        end_secs: From the request to end at once, or from the call's last event, until SIGTERM.
        cancel_secs: From SIGTERM until SIGKILL.
    """

    max_call_secs: float = 3600.0
    polite_secs: float = 20.0
    end_secs: float = 5.0
    cancel_secs: float = 3.0


class CallSupervisor:
    """Runs one call in a forked process, stores what it says, and finishes what it leaves.

    A process that is killed is replaced once, under the same identity, while the caller is there.
    Whatever dies: the room is deleted and one record is saved.
    """

    def __init__(
        self,
        job: CallJob,
        around: Surroundings,
        limits: CallLimits,
        *,
        on_line_free: Callable[[], None],
    ):
        """Initialize the supervisor.

        Args:
            job: The call.
            around: What all calls share.
            limits: Times after which patience ends.
            on_line_free: Called once, when process and room are gone.
        """
        self.job = job
        self.events: list[Event] = []
        self._taken_at = datetime.now(UTC)
        self.saved = False
        self._around, self._limits, self._on_line_free = around, limits, on_line_free
        self._process: ForkedProcess | None = None
        self._ending_as: Outcome | None = None
        self._teardown: asyncio.Task[None] | None = None
        self._recordings = [Path(job.recording_path)] if job.recording_path else []

    @property
    def record(self) -> CallRecord:
        """What is known by now."""
        if self.events:
            return CallRecord.fold(self.events)
        job = self.job
        called = job.dial.number if job.dial else ""
        return CallRecord(
            call_id=job.call_id,
            direction=job.direction,
            room=job.room,
            bot=job.bot,
            caller=called,
            dialled=called,
            started_at=self._taken_at,
        )

    @property
    def ended(self) -> bool:
        """Whether the call said its last word."""
        return any(isinstance(event, CallEnded) for event in self.events)

    async def run(self) -> CallRecord:
        """The whole call; returns its saved record."""
        with logger.contextualize(call_id=self.job.call_id):
            logger.info("Call taken")
            try:
                await self._run_processes()
            except Exception as error:  # whatever it is, the room goes and the record comes
                logger.opt(exception=error).error("The call was lost")
                message = f"{type(error).__name__}: {error}"
                await self._add(ErrorRaised, source="server", message=message)
            if not self.ended:
                outcome = self._ending_as or "worker_lost"
                await self._add(CallEnded, outcome=outcome, reason=self._death())
            await self._delete_desk()
            await self._around.rooms.delete(self.job.room)
            self._on_line_free()
            for kind, fields in await self._around.recordings.finish(
                self._recordings, self.job.call_id
            ):
                await self._add(kind, **fields)
            return await self._save()

    def hang_up(self, *, politely: bool, outcome: Outcome = "cancelled") -> None:
        """Ends the call: it is asked, then told, then killed.

        Args:
            politely: Let the bot finish its sentence.
            outcome: What the record says if the call process does not know better.
        """
        self._ending_as = self._ending_as or outcome
        if self._process:
            self._process.send({"do": "hang_up", "politely": politely, "outcome": outcome})
            limits = self._limits
            self._begin_teardown(limits.polite_secs if politely else limits.end_secs)

    async def _run_processes(self) -> None:
        fence = asyncio.get_running_loop().call_later(self._limits.max_call_secs, self._too_long)
        try:
            await self._run_process(self.job)
            if await self._may_go_on():
                self._around.metrics.process_replaced()
                logger.warning(f"{self._death()}: another process takes the call over")
                await self._add(ErrorRaised, source="call process", message=self._death())
                await self._delete_desk()
                await self._run_process(self._job_again())
        except ConfigurationError as error:
            logger.error(f"No process for the call: {error}")
            await self._add(ErrorRaised, source="call pool", message=str(error))
        finally:
            fence.cancel()

    async def _run_process(self, job: CallJob) -> None:
        self._process = process = await self._around.pool.take()
        try:
            after = self.events[-1].model_dump(mode="json") if self.events else None
            process.send({"job": asdict(job), "after": after})
            if self._ending_as:
                self.hang_up(politely=True, outcome=self._ending_as)
            async for line in process.lines():
                await self._take(EVENT.validate_json(line))
                if isinstance(self.events[-1], CallEnded):
                    self._begin_teardown(self._limits.end_secs)
            self._begin_teardown(self._limits.end_secs)
            await process.exited.wait()
        finally:
            process.signal(signal.SIGKILL)
            process.close()
            await self._end_teardown()

    async def _delete_desk(self) -> None:
        """End the leg of a person whom a call process may have left behind."""
        if any(isinstance(event, TransferStarted) for event in self.events):
            await self._around.rooms.delete(desk_room(self.job.room))

    async def _may_go_on(self) -> bool:
        assert self._process
        status = self._process.status
        if self.ended or self._ending_as or (status is not None and status >= 0):
            return False
        if self.job.dial and not any(isinstance(event, Answered) for event in self.events):
            return False  # the phone that may still ring stops with its room
        return await self._around.rooms.has_caller(self.job.room, self.job.caller)

    def _job_again(self) -> CallJob:
        again = replace(self.job, dial=None)  # whoever was called is in the room
        if not self._recordings:
            return again
        second = self._recordings[0].with_suffix(".2.wav")
        self._recordings.append(second)
        return replace(again, recording_path=str(second))

    def _too_long(self) -> None:
        logger.warning(f"The call reached {self._limits.max_call_secs:g} s: hanging up")
        self.hang_up(politely=True, outcome="max_duration")

    def _death(self) -> str:
        if self._process is None:
            return "no call process"
        status = self._process.status
        if status is not None and status < 0:
            return f"call process killed by {signal.Signals(-status).name}"
        return "call process lost" if status is None else f"call process left with {status}"

    def _begin_teardown(self, secs: float) -> None:
        if self._teardown:
            self._teardown.cancel()
        assert self._process
        self._teardown = asyncio.create_task(self._tear_down(self._process, secs))

    async def _tear_down(self, process: ForkedProcess, secs: float) -> None:
        for wait_secs, sig in ((secs, signal.SIGTERM), (self._limits.cancel_secs, signal.SIGKILL)):
            try:
                async with asyncio.timeout(wait_secs):
                    await process.exited.wait()
                return
            except TimeoutError:
                logger.warning(f"The call process is there after {wait_secs:g} s: {sig.name}")
                process.signal(sig)

    async def _end_teardown(self) -> None:
        if self._teardown:
            self._teardown.cancel()
            await asyncio.wait([self._teardown])
            self._teardown = None

    async def _add(self, kind: type[Event], **fields) -> None:
        if not self.events and kind is not CallStarted:
            job = self.job
            await self._add(
                CallStarted, direction=job.direction, room=job.room, call_type=job.call_type
            )
        log = (
            EventLog.after(self.events[-1], _nowhere)
            if self.events
            else EventLog(self.job.call_id, _nowhere)
        )
        await self._take(log.add(kind, **fields))

    async def _take(self, event: Event) -> None:
        self.events.append(event)
        self._around.metrics.event(event)
        self._around.live.publish(event)
        try:
            await self._around.store.append(event)
        except (SQLAlchemyError, OSError) as error:
            logger.error(f"Event {event.seq} not stored: {error}")

    async def _save(self) -> CallRecord:
        record = CallRecord.fold(self.events)
        self._around.metrics.call_ended(record)
        for attempt in range(SAVE_ATTEMPTS):
            try:
                await self._around.store.save(record)
                self.saved = True
                break
            except (SQLAlchemyError, OSError) as error:
                logger.error(f"Record not saved, attempt {attempt + 1}: {error}")
                await asyncio.sleep(attempt)
        self._around.live.call_over(self.job.call_id)
        logger.info(f"Call over: {record.outcome}, {len(record.turns)} turns")
        return record


def _nowhere(_: Event) -> None:
    pass
