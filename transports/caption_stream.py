"""Captions on their way to a participant's screen, as LiveKit's own clients read them."""

import asyncio

from livekit import rtc
from livekit.rtc.data_stream import StreamError
from loguru import logger

TOPIC = "lk.transcription"
SEND_SECS = 5.0


class CaptionStream:
    """Sends lines of captions to one participant, in order, each whole whenever it changes.

    A line that changes while another is under way is sent once, as it reads then. What cannot be
    sent is dropped: captions never hold a call up.
    Source: LiveKit docs, text streams for transcriptions (``lk.transcription``).
    """

    def __init__(self, room: rtc.Room, reader: str):
        """Start sending; the room must be joined.

        Args:
            room: Where both are.
            reader: Identity of the participant who reads.
        """
        self._room, self._reader = room, reader
        self._lines: dict[int, tuple[str, str, bool]] = {}
        self._changed = asyncio.Event()
        self._sending = asyncio.create_task(self._send_all(), name="captions")

    def show(self, segment: int, text: str, *, speaker: str, final: bool) -> None:
        """Show a line, or replace it.

        Args:
            segment: Number of the line.
            text: All of it as it reads now.
            speaker: Identity of the participant who says it.
            final: It does not change any more.
        """
        self._lines[segment] = (text, speaker, final)
        self._changed.set()

    async def close(self) -> None:
        """Send no more; idempotent."""
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)

    async def _send_all(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._lines:
                segment = next(iter(self._lines))
                try:
                    async with asyncio.timeout(SEND_SECS):
                        await self._send(segment, *self._lines.pop(segment))
                except (StreamError, TimeoutError) as error:
                    logger.warning(f"A line of the captions was not sent: {error!r}")

    async def _send(self, segment: int, text: str, speaker: str, final: bool) -> None:
        await self._room.local_participant.send_text(
            text,
            topic=TOPIC,
            destination_identities=[self._reader],
            attributes={
                "lk.segment_id": str(segment),
                "lk.transcription_final": "true" if final else "false",
                "lk.transcribed_track_id": self._track_of(speaker),
            },
        )

    def _track_of(self, identity: str) -> str:
        who = self._room.remote_participants.get(identity, self._room.local_participant)
        for publication in who.track_publications.values():
            if publication.kind == rtc.TrackKind.KIND_AUDIO:
                return publication.sid
        return ""
