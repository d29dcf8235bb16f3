"""What becomes of a call's recording when the call is over: mended, measured, put away."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loguru import logger

from records.event import Event
from records.events import ErrorRaised, RecordingStored, TapeMeasured
from records.recordings import RecordingError, Recordings
from records.tape import tape_report
from records.wav import StereoWavWriter, TapeError, read_stereo, repair_wav

Fact = tuple[type[Event], dict[str, Any]]


class FinishedRecordings:
    """Measures and keeps recordings, one at a time and off the event loop."""

    def __init__(self, recordings: Recordings):
        """Initialize with the place where recordings stay."""
        self._recordings = recordings
        self._one_at_a_time = asyncio.Semaphore(1)

    async def finish(self, parts: Sequence[Path], call_id: str) -> list[Fact]:
        """Keeps what a call recorded.

        Args:
            parts: Where its processes wrote; those that wrote nothing are left out.
            call_id: The call's id.

        Returns:
            The events to add to the call: class and fields.
        """
        async with self._one_at_a_time:
            try:
                return await self._finish(parts, call_id)
            except (RecordingError, TapeError, OSError) as error:
                logger.error(f"Recording not kept: {error}")
                return [(ErrorRaised, {"source": "recording", "message": str(error)})]

    async def _finish(self, parts: Sequence[Path], call_id: str) -> list[Fact]:
        path = await asyncio.to_thread(_whole, parts)
        if path is None:
            return []
        facts: list[Fact] = []
        secs, report, problem = await asyncio.to_thread(_measure, path)
        uri = await self._recordings.keep(path, call_id)
        facts.append((RecordingStored, {"uri": uri, "secs": secs}))
        if report is not None:
            facts.append((TapeMeasured, {"report": report}))
        if problem:
            facts.append((ErrorRaised, {"source": "tape", "message": problem}))
        await asyncio.to_thread(_remove, [path, *parts])
        return facts


def _whole(parts: Sequence[Path]) -> Path | None:
    """One file of all parts; a part's header that a crash left is mended first."""
    there = [part for part in parts if part.exists()]
    for part in there:
        repair_wav(part)
    if len(there) < 2:
        return there[0] if there else None
    whole = there[0].with_suffix(".whole.wav")
    sides = [read_stereo(part) for part in there]
    with StereoWavWriter(whole, sides[0][2]) as wav:
        for left, right, _ in sides:
            wav.write(left, right)
    return whole


def _measure(path: Path) -> tuple[float, dict[str, Any] | None, str]:
    left, _, rate_hz = read_stereo(path)
    secs = round(len(left) / rate_hz, 3)
    if not len(left):
        return 0.0, None, ""
    try:
        return secs, tape_report(path).model_dump(mode="json"), ""
    except TapeError as error:
        return secs, None, str(error)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
