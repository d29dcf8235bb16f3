"""The line to a person who may take a call over: a room beside the caller's, for one phone."""

import asyncio
from collections.abc import Callable

from livekit import rtc
from livekit.rtc.participant import PublishTrackError
from loguru import logger

from transports.leg import Leg, LegResult
from transports.line_error import LineError
from transports.one_at_a_time import OneAtATime
from transports.sip_control import SipControl

HUMAN = "desk"
IN_FRAME_MS = 10
QUEUE_MS = 100
CONNECT_SECS = 10.0
CLOSE_SECS = 2.0
STEP_SECS = 0.02


def desk_room(room: str) -> str:
    """The room beside a caller's room; whoever deletes one deletes both."""
    return f"{room}-desk"


class DeskLine:
    """Dials a person, plays to them and hears them. Nobody else is in the room.

    The caller's voice reaches it only through ``play``, so nothing leaks before somebody wants it
    to, and the keys of either phone stay in its own room.

    Parameters:
        on_audio: Takes the person's voice, 10 ms of 16-bit mono PCM at ``in_rate_hz``; silent
            until the phone is answered.
        on_key: Takes each key that the person presses.
        on_left: Told once when the person's phone is gone by itself.
    """

    def __init__(
        self, control: SipControl, url: str, room: str, *, in_rate_hz: int, out_rate_hz: int
    ):
        """Initialize; nothing connects yet.

        Args:
            control: Dials.
            url: The LiveKit server, ``ws://`` or ``wss://``.
            room: The caller's room.
            in_rate_hz: Rate at which the person is heard: that of the caller's line.
            out_rate_hz: Rate at which is played to them: that of the caller's audio.
        """
        self.in_rate_hz, self.out_rate_hz = in_rate_hz, out_rate_hz
        self.on_audio: Callable[[bytes], None] = lambda pcm: None
        self.on_key: Callable[[str], None] = lambda key: None
        self.on_left: Callable[[], None] = lambda: None
        self._control, self._url, self._name = control, url, desk_room(room)
        self._room: rtc.Room | None = None
        self._source: rtc.AudioSource | None = None
        self._entrance: OneAtATime | None = None
        self._readers: dict[str, tuple[rtc.AudioStream, asyncio.Task[None]]] = {}
        self._talks = False
        self._legs = 0
        self._left: set[str] = set()

    @property
    def queued_duration(self) -> float:
        """Seconds that are handed over and not played yet."""
        return self._source.queued_duration if self._source else 0.0

    async def open(self) -> None:
        """Make the room, join it and publish; idempotent.

        Raises:
            LineError: ``cannot_connect``, ``cannot_publish``, ``livekit_unreachable`` or
                ``livekit_refused``.
        """
        if self._room:
            return
        await self._control.create_room(self._name)
        self._room = room = rtc.Room()
        room.on("track_subscribed")(self._on_track)
        room.on("track_unsubscribed")(self._on_track_gone)
        room.on("sip_dtmf_received")(self._on_dtmf)
        room.on("participant_disconnected")(self._on_participant_left)
        room.on("disconnected")(self._on_disconnected)
        token = self._control.token(self._name, "bot-desk")
        try:
            async with asyncio.timeout(CONNECT_SECS):
                await room.connect(self._url, token, rtc.RoomOptions())
                await self._publish(room)
        except TimeoutError as error:
            text = f"The desk's room was not joined within {CONNECT_SECS:g} s"
            raise LineError("cannot_connect", text, retryable=True) from error
        except rtc.ConnectError as error:
            text = f"The desk's room cannot be joined: {error.message}"
            raise LineError("cannot_connect", text, retryable=True) from error
        except PublishTrackError as error:
            raise LineError("cannot_publish", f"Cannot publish: {error.message}") from error

    async def dial(self, number: str, trunk_id: str, **options) -> LegResult:
        """Ring a number until it is answered or will not be; cancelling stops the ringing.

        Args:
            number: Whom to dial.
            trunk_id: LiveKit's id of the outbound trunk.
            **options: Of ``Leg``: ``ring_secs``, ``caller_id``, ``headers``, ``name`` …
        """
        self._legs += 1
        self._talks = False
        result = await self._control.dial(Leg(self._name, number, self._human, trunk_id, **options))
        self._talks = result.outcome == "answered"
        if self._talks and self._human in self._left:
            asyncio.get_running_loop().call_soon(self._note_left)
        return result

    async def play(self, pcm: bytes) -> None:
        """Play 16-bit mono PCM at ``out_rate_hz``; waits while the queue is full."""
        if self._entrance:
            await self._entrance.capture(rtc.AudioFrame(pcm, self.out_rate_hz, 1, len(pcm) // 2))

    async def say(self, pcm: bytes) -> None:
        """Play something to its end; what is cancelled falls silent at once."""
        step = int(self.out_rate_hz * STEP_SECS) * 2
        try:
            for start in range(0, len(pcm), step):
                await self.play(pcm[start : start + step])
            if self._source:
                await self._source.wait_for_playout()
        except asyncio.CancelledError:
            self.fall_silent()
            raise

    def fall_silent(self) -> None:
        """Drop what is not played yet."""
        if self._source:
            self._source.clear_queue()

    async def hang_up(self) -> None:
        """End the person's leg; ``on_left`` is not told."""
        if self._talks:
            self._talks = False
            await self._control.remove(self._name, self._human)

    async def close(self) -> None:
        """Leave, and delete the room with whoever is in it; safe to call twice."""
        self._talks = False
        room, self._room = self._room, None
        source, self._source = self._source, None
        self._entrance = None
        for sid in list(self._readers):
            await self._release(sid)
        if room is None:
            return
        await room.disconnect()
        await self._control.delete_room(self._name)
        if source:
            await source.aclose()

    @property
    def _human(self) -> str:
        # A new name for each number: a leg that is still leaving is not taken for the next.
        return f"{HUMAN}-{self._legs}"

    async def _publish(self, room: rtc.Room) -> None:
        self._source = rtc.AudioSource(self.out_rate_hz, 1, queue_size_ms=QUEUE_MS)
        self._entrance = OneAtATime(self._source)
        track = rtc.LocalAudioTrack.create_audio_track("bot", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)

    def _on_track(self, track: rtc.Track, publication, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and participant.identity == self._human:
            stream = rtc.AudioStream(
                track, sample_rate=self.in_rate_hz, num_channels=1, frame_size_ms=IN_FRAME_MS
            )
            self._readers[track.sid] = stream, asyncio.create_task(self._read(stream))

    def _on_track_gone(self, track: rtc.Track, *_) -> None:
        # The native room drops the handle of a track that is gone; the SDK would drop it again.
        track._ffi_handle.mark_consumed()

    async def _read(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            if self._talks:
                self.on_audio(bytes(event.frame.data.cast("B")))

    async def _release(self, sid: str) -> None:
        stream, reader = self._readers.pop(sid)
        try:
            async with asyncio.timeout(CLOSE_SECS):
                await stream.aclose()
        except TimeoutError:
            logger.warning(f"The desk's audio stream is not closed after {CLOSE_SECS:g} s")
        reader.cancel()

    def _on_dtmf(self, dtmf: rtc.SipDTMF) -> None:
        if self._talks and dtmf.participant and dtmf.participant.identity == self._human:
            self.on_key(dtmf.digit)

    def _on_participant_left(self, participant: rtc.RemoteParticipant) -> None:
        self._left.add(participant.identity)
        if participant.identity == self._human:
            self._note_left()

    def _on_disconnected(self, reason=None) -> None:
        self._note_left()

    def _note_left(self) -> None:
        if self._talks:
            self._talks = False
            self.on_left()
