"""The bot's connection to the room of one call.

Overrides private methods of Pipecat 1.14.0 (``LiveKitTransportClient``); the tests notice when they
move.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from livekit import rtc
from livekit.rtc.participant import PublishTrackError
from loguru import logger
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.transports.livekit.transport import (
    LiveKitCallbacks,
    LiveKitParams,
    LiveKitTransportClient,
)
from pipecat.utils.asyncio.task_manager import TaskManager

from records.redaction import mask_numbers
from transports.call_info import CallInfo
from transports.caller_audio import CallerAudio
from transports.caller_presence import CallerPresence
from transports.end_call import end_call
from transports.line_error import LineError
from transports.pausable_source import PausableSource, PlayoutTap
from transports.sip_digits import publish_key


class LiveKitSIPClient(LiveKitTransportClient):
    """Joins the room without a track, listens to the caller only, publishes when told.

    Parameters:
        caller: Who the caller is.
        audio: The caller's audio.
        bye_headers: Leaving hangs the phone up, with these SIP headers; None leaves it there.
        tap: Is told what the bot's track really plays; set it before ``publish()``.
        deaf: While set, the pipeline gets silence for what the caller's track plays.
    """

    def __init__(
        self,
        url: str,
        token: str,
        room_name: str,
        params: LiveKitParams,
        callbacks: LiveKitCallbacks,
        transport_name: str,
        *,
        caller: str | None,
        on_caller_changed: Callable[[CallInfo, dict[str, str]], Coroutine[Any, Any, None]],
        on_call_ended: Callable[[str], Coroutine[Any, Any, None]],
    ):
        """Initialize; nothing connects yet.

        Args:
            url: The LiveKit server.
            token: Access token for the room.
            room_name: The room, for logs: the token names it.
            params: The transport's parameters.
            callbacks: Pipecat's callbacks.
            transport_name: For logs.
            caller: Identity of the caller; None means the first SIP participant.
            on_caller_changed: Called with the caller and the attributes that changed.
            on_call_ended: Called once with ``who:REASON`` when caller or room are gone.
        """
        super().__init__(url, token, room_name, params, callbacks, transport_name)
        self.tap: PlayoutTap | None = None
        self.bye_headers: Mapping[str, str] | None = None
        self.deaf = False
        self.audio = CallerAudio(params.audio_in_sample_rate or 16000)
        self.caller = CallerPresence(caller)
        self._on_caller_changed = on_caller_changed
        self._on_call_ended = on_call_ended
        self._ended = False
        self._out_sample_rate = params.audio_out_sample_rate or 0

    @property
    def source(self) -> PausableSource | None:
        """The bot's audio source while its track is published."""
        return self._audio_source if isinstance(self._audio_source, PausableSource) else None

    @property
    def room_name(self) -> str:
        """The room, for messages: a room is often named after the caller's number."""
        return mask_numbers(self._room_name)

    @property
    def connected(self) -> bool:
        """Whether the bot is in the room."""
        return self._connected

    @property
    def call_info(self) -> CallInfo | None:
        """The caller, while in the room."""
        return self.caller.find(self._room) if self._room else None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Takes the pipeline's task manager and rates; both halves of the transport call this."""
        self._task_manager = setup.task_manager
        self._out_sample_rate = self._params.audio_out_sample_rate or setup.audio_out_sample_rate

    async def connect(self) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Joins the room, once, without publishing.

        Raises:
            LineError: ``cannot_connect``.
        """
        async with self._async_lock:
            if self._connected or self._ended:
                return
            self._task_manager = self._task_manager or TaskManager()
            self._room = self._open_room()
            try:
                await self._room.connect(self._url, self._token, rtc.RoomOptions())
            except rtc.ConnectError as e:
                raise LineError(
                    "cannot_connect",
                    f"Cannot join room {self.room_name} at {self._url}: {e.message}. "
                    "Check the server, the token, and that this host has an interface other "
                    "than loopback.",
                    retryable=True,
                ) from e
            self._participant_id = self._room.local_participant.identity
            self._connected = True
            logger.info(f"{self}: joined {self.room_name}")
        await self._callbacks.on_connected()
        for participant in list(self.room.remote_participants.values()):
            await self._async_on_participant_connected(participant)

    async def wait_for_caller(self) -> CallInfo:
        """Waits until the caller is in the room.

        Raises:
            LineError: ``room_closed`` or ``caller_left``.
        """
        await self.caller.seen.wait()
        if info := self.call_info:
            return info
        if self._connected:
            raise LineError("caller_left", f"The caller left room {self.room_name}")
        raise LineError("room_closed", f"Room {self.room_name} was closed before the call began")

    async def publish(self) -> None:
        """Publishes the bot's track, once: the SIP bridge answers the call.

        Raises:
            LineError: ``not_joined`` or ``cannot_publish``.
        """
        async with self._async_lock:
            if self._audio_source:
                return
            if not self._connected or not self._out_sample_rate:
                raise LineError("not_joined", "publish() needs the room and a started pipeline")
            source = rtc.AudioSource(
                self._out_sample_rate, 1, queue_size_ms=self._params.audio_out_queue_size_ms
            )
            track = rtc.LocalAudioTrack.create_audio_track("bot", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            try:
                await self.room.local_participant.publish_track(track, options)
            except PublishTrackError as e:
                await source.aclose()
                raise LineError("cannot_publish", f"Cannot publish: {e.message}") from e
            self._audio_track = track
            self._audio_source = PausableSource(source, self.tap)  # pyright: ignore[reportAttributeAccessIssue]
            logger.info(f"{self}: published in {self.room_name}")

    async def send_dtmf(self, digit: str) -> None:
        """Sends one digit to the caller's phone, and to no other leg of the room.

        Raises:
            PublishDTMFError: If the room refuses it.
        """
        if self._connected:
            await publish_key(self.room.local_participant, digit, self.caller.identity)

    async def disconnect(self) -> None:
        """Leaves the room and releases every native handle; idempotent."""
        async with self._async_lock:
            if not self._connected:
                return
            await self._callbacks.on_before_disconnect()
            self._connected = False  # so that the room's own event is not reported
            await self._hang_up()
            # Streams first: one that outlives the room posts to a loop that may be closed.
            await self.audio.close()
            await self.room.disconnect()
            await self._close_output_sources()
            logger.info(f"{self}: left {self.room_name}")
        await self._callbacks.on_disconnected()

    async def _hang_up(self) -> None:
        info = self.call_info
        # Before it is answered, a call is refused by the end of its room.
        if self.bye_headers is not None and info and info.call_id and info.status == "active":
            await end_call(self.room, info.identity, self.bye_headers)

    def _open_room(self) -> rtc.Room:
        room = rtc.Room()
        room.on("participant_connected")(self._on_participant_connected_wrapper)
        room.on("participant_disconnected")(self._on_participant_disconnected_wrapper)
        room.on("participant_attributes_changed")(self._on_attributes_changed)
        room.on("track_subscribed")(self._on_track_subscribed_wrapper)
        room.on("track_unsubscribed")(_release)
        room.on("data_received")(self._on_data_received_wrapper)
        room.on("sip_dtmf_received")(self._on_sip_dtmf_received_wrapper)
        self.caller.watch(room)
        room.on("disconnected")(self._on_disconnected_wrapper)
        return room

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        assert self._task_manager is not None
        self._task_manager.create_task(coroutine, f"{self}::{name}")

    def _on_attributes_changed(self, changed: dict[str, str], who: rtc.Participant) -> None:
        if self.caller.is_caller(who):
            info = CallInfo.from_attributes(who.identity, who.attributes)
            self._spawn(self._on_caller_changed(info, changed), "caller_changed")

    async def _async_on_participant_connected(self, participant: rtc.RemoteParticipant):
        # Someone who joins while we do is reported twice, and again after a reconnect.
        if self.caller.is_caller(participant) and not self.caller.seen.is_set():
            self.caller.seen.set()
            await self._callbacks.on_participant_connected(participant.identity)
            await self._callbacks.on_first_participant_joined(participant.identity)

    async def _async_on_participant_disconnected(self, participant: rtc.RemoteParticipant):
        if not self.caller.is_caller(participant):
            return
        if await self.caller.is_gone(participant, self.room) and self._connected:
            await self._end("caller", participant.disconnect_reason)

    async def _async_on_track_subscribed(self, track, publication, participant):
        # A stream opened after we left would never be closed.
        audible = self._connected and track.kind == rtc.TrackKind.KIND_AUDIO
        if audible and self.caller.is_caller(participant):
            await self.audio.open(track)
            await self._callbacks.on_audio_track_subscribed(participant.identity)

    async def _async_on_sip_dtmf_received(self, dtmf: rtc.SipDTMF):
        if dtmf.participant and self.caller.is_caller(dtmf.participant):
            # Upstream logs the digit, which may be one of a card's.
            data = {"digit": dtmf.digit, "code": dtmf.code, "participant_id": self.caller.identity}
            await self._callbacks.on_dtmf_event(data)

    def _on_disconnected_wrapper(self, reason=None) -> None:
        self._spawn(self._async_on_disconnected(reason), "disconnected")

    async def _async_on_disconnected(self, reason=None):
        async with self._async_lock:
            if not self._connected:
                return  # we left
            self._connected = False
            await self.audio.close()
            await self._close_output_sources()
        await self._callbacks.on_disconnected()
        await self._end("room", reason)

    async def _end(self, who: str, reason: int | None) -> None:
        if self._ended:
            return
        self._ended = True
        self.caller.seen.set()  # join() need not wait any longer
        name = rtc.DisconnectReason.Name(reason or rtc.DisconnectReason.UNKNOWN_REASON)  # pyright: ignore[reportArgumentType]
        logger.info(f"{self}: call ended, {who}:{name}")
        if who == "caller":
            await self._callbacks.on_participant_disconnected(self.caller.identity)
        await self._on_call_ended(f"{who}:{name}")


def _release(track: rtc.Track) -> None:
    # The native room drops the handle of a track that is gone; the SDK would drop it again and
    # complain.
    track._ffi_handle.mark_consumed()
