"""Calls that a server left behind when it was killed: each gets its end and its record."""

from collections.abc import Callable, Sequence
from pathlib import Path

from loguru import logger

from records.call_record import CallRecord
from records.event import Event
from records.events import CallEnded
from records.log import EventLog
from records.store import CallStore
from server.finished_recording import FinishedRecordings
from server.livekit_access import Rooms
from transports.desk_line import desk_room

SUFFIX = ".running"


class RunningMarks:
    """One small file a running call: which process has it, in which room of which LiveKit.

    Several servers may share a database; a server looks after the marks of its own folder only.
    """

    def __init__(self, spool: Path):
        """Initialize with the folder of running recordings."""
        self._spool = spool

    def set(self, call_id: str, room: str, url: str = "") -> None:
        """The call runs in this process, at the LiveKit with this address."""
        (self._spool / f"{call_id}{SUFFIX}").write_text(f"{_process('self')}\n{room}\n{url}\n")

    def clear(self, call_id: str) -> None:
        """The call's record is saved."""
        (self._spool / f"{call_id}{SUFFIX}").unlink(missing_ok=True)

    def left_behind(self) -> list[tuple[str, str, str]]:
        """Call ids, rooms and LiveKits of calls whose server is gone."""
        found: list[tuple[str, str, str]] = []
        for path in sorted(self._spool.glob(f"*{SUFFIX}")):
            owner, room, url, *_ = [*path.read_text().splitlines(), "", "", ""]
            if owner != _process(owner.partition(":")[0]):
                found.append((path.stem, room, url))
        return found

    def recordings(self, call_id: str) -> Sequence[Path]:
        """What the call's processes recorded."""
        return [self._spool / f"{call_id}.wav", self._spool / f"{call_id}.2.wav"]


async def finish_unfinished(
    marks: RunningMarks,
    store: CallStore,
    recordings: FinishedRecordings,
    rooms_at: Callable[[str], Rooms],
) -> int:
    """Ends every call left behind; returns how many there were."""
    left = marks.left_behind()
    for call_id, room, url in left:
        logger.warning(f"Call {call_id} was left behind by a server that died: closing it")
        if room:
            await rooms_at(url).delete(desk_room(room))
            await rooms_at(url).delete(room)
        events: list[Event] = list(await store.events(call_id))
        if events:
            await _finish(events, store, recordings, marks.recordings(call_id))
        marks.clear(call_id)
    return len(left)


async def _finish(
    events: list[Event], store: CallStore, recordings: FinishedRecordings, parts: Sequence[Path]
) -> None:
    added: list[Event] = []
    log = EventLog.after(events[-1], added.append)
    if not any(isinstance(event, CallEnded) for event in events):
        log.add(CallEnded, outcome="worker_lost", reason="server killed")
    for kind, fields in await recordings.finish(parts, events[0].call_id):
        log.add(kind, **fields)
    for event in added:
        await store.append(event)
    await store.save(CallRecord.fold([*events, *added]))


def _process(pid: str) -> str:
    """Names a process for good, ``pid:start``: a number alone may be another's after a restart."""
    try:
        pid_again, rest = Path(f"/proc/{pid}/stat").read_text().split(" ", 1)
    except OSError:
        return ""
    return f"{pid_again}:{rest.rpartition(')')[2].split()[19]}"
