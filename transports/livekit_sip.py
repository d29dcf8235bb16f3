"""The line: one caller's leg in a LiveKit room.

Overrides private methods of Pipecat 1.14.0 (``LiveKitTransport``); the tests notice when they move.
"""

import asyncio
from typing import Any

from livekit import rtc
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.transports.livekit.transport import (
    LiveKitInputTransport,
    LiveKitOutputTransport,
    LiveKitParams,
    LiveKitTransport,
)

from transports.call_info import CallInfo
from transports.frames import CallerKeyFrame
from transports.line_error import LineError
from transports.livekit_sip_client import LiveKitSIPClient
from transports.pausable_source import PausableSource, PlayoutTap
from transports.sip_input import SIPInputTransport
from transports.sip_output import SIPOutputTransport

JOIN_SECS = 15.0
# The bridge puts the caller into the room before the bot is sent for.
CALLER_SECS = 3.0
KEYS = frozenset(KeypadEntry)


def phone_params(**changes) -> LiveKitParams:
    """Parameters for a telephone: 16 kHz in, chunks of 20 ms, 100 ms queue, no silence at the end.

    A longer queue would make every event about what was played early by as much, and a longer
    chunk every sound late. ``changes`` overrides single ones.
    """
    settings = {
        "audio_in_enabled": True,
        "audio_out_enabled": True,
        "audio_in_sample_rate": 16000,
        "audio_out_10ms_chunks": 2,
        "audio_out_queue_size_ms": 100,
        "audio_out_end_silence_secs": 0,
    }
    return LiveKitParams(**(settings | changes))


class LiveKitSIPTransport(LiveKitTransport):
    """A telephone call as a Pipecat transport.

    ``join()`` enters the room without a track, so that the phone goes on ringing; ``publish()``
    answers it once the pipeline has started. In between ``input()`` and ``output()`` go into a
    pipeline as usual. Only the caller is heard: the first participant of kind SIP, or the one
    named.

    Events beside those of ``LiveKitTransport``, whose connect events tell of the caller only:

    - on_caller_changed(transport, CallInfo, changed): attributes such as ``sip.callStatus``
    - on_call_ended(transport, reason): once, unless we left: ``caller:CLIENT_INITIATED``,
      ``room:ROOM_DELETED`` …; reasons are those of LiveKit's ``DisconnectReason``.
    """

    def __init__(
        self,
        url: str,
        token: str,
        room_name: str,
        params: LiveKitParams | None = None,
        *,
        caller: str | None = None,
        join_secs: float = JOIN_SECS,
        caller_secs: float = CALLER_SECS,
        tap: PlayoutTap | None = None,
        deaf: bool = False,
    ):
        """Initialize; nothing connects yet.

        Args:
            url: The LiveKit server, ``ws://`` or ``wss://``.
            token: Access token for the room.
            room_name: The room.
            params: ``phone_params()`` unless given.
            caller: Identity of the caller, of any kind; None takes the first SIP participant.
            join_secs: How long ``join()`` may take to enter the room.
            caller_secs: How long it then waits for the caller.
            tap: Is told what the line really plays and when.
            deaf: Hear silence until ``hear()``: a phone that rings may play tones and music.
        """
        super().__init__(url, token, room_name, params or phone_params())
        self._join_secs, self._caller_secs = join_secs, caller_secs
        self._client: LiveKitSIPClient = LiveKitSIPClient(
            url,
            token,
            room_name,
            self._params,
            self._client._callbacks,
            self.name,
            caller=caller,
            on_caller_changed=self._report_changed,
            on_call_ended=self._report_ended,
        )
        self._client.tap, self._client.deaf = tap, deaf
        self._register_event_handler("on_call_ended")
        self._register_event_handler("on_caller_changed")

    @property
    def source(self) -> PausableSource | None:
        """The bot's audio source while its track is published."""
        return self._client.source

    @property
    def room(self) -> rtc.Room:
        """The room, once joined."""
        return self._client.room

    @property
    def call_info(self) -> CallInfo | None:
        """The caller, while in the room."""
        return self._client.call_info

    @property
    def dropped_secs(self) -> float:
        """Audio of the caller that came too late for the pipeline and was dropped."""
        return self._client.audio.dropped_secs

    @property
    def backlog_secs(self) -> float:
        """Audio of the caller that waits for the pipeline."""
        return self._client.audio.backlog_secs

    async def enter(self) -> None:
        """Enters the room, without a track; whoever calls or is called need not be there.

        Raises:
            LineError: ``cannot_connect``.
        """
        try:
            async with asyncio.timeout(self._join_secs):
                await self._client.connect()
        except TimeoutError as e:
            raise LineError(
                "cannot_connect",
                f"Room {self._client.room_name} not joined within {self._join_secs:g} s",
                retryable=True,
            ) from e

    def hear(self) -> None:
        """Hears the caller from now on; for a transport that was made deaf."""
        self._client.deaf = False

    async def join(self) -> CallInfo:
        """Enters the room, without a track, and waits for the caller.

        A failed join still has to be left with ``leave()``, once its reason is noted: leaving the
        room makes LiveKit end the job.

        Returns:
            Who calls whom.

        Raises:
            LineError: ``cannot_connect``, ``no_caller``, ``caller_left`` or ``room_closed``.
        """
        await self.enter()
        try:
            async with asyncio.timeout(self._caller_secs):
                return await self._client.wait_for_caller()
        except TimeoutError as e:
            raise LineError(
                "no_caller",
                f"No caller in room {self._client.room_name} within {self._caller_secs:g} s",
            ) from e

    async def publish(self) -> None:
        """Publishes the bot's track, which answers the call; idempotent.

        Raises:
            LineError: ``not_joined`` before the pipeline was set up, ``cannot_publish``.
        """
        await self._client.publish()

    async def wait_for_playout(self) -> None:
        """Waits until everything handed to the line was played, through holds as well."""
        if source := self._client.source:
            await source.wait_for_playout()

    def hang_up_with(self, headers: dict[str, str]) -> None:
        """Leaving hangs the phone up with a BYE that carries these headers."""
        self._client.bye_headers = headers

    async def leave(self) -> None:
        """Leaves the room at once and releases everything native; idempotent."""
        await self._client.disconnect()

    def input(self) -> LiveKitInputTransport:
        """The input half."""
        if not self._input:
            self._input = SIPInputTransport(self, self._client, self._params, name=self._input_name)
        return self._input

    def output(self) -> LiveKitOutputTransport:
        """The output half."""
        if not self._output:
            self._output = SIPOutputTransport(
                self, self._client, self._params, name=self._output_name
            )
        return self._output

    async def _on_dtmf_event(self, data: dict[str, Any]) -> None:
        # Upstream logs the digit, which may be one of a card's.
        if self._input and data["digit"] in KEYS:
            await self._input.push_frame(CallerKeyFrame(button=KeypadEntry(data["digit"])))
        await self._call_event_handler("on_dtmf_event", data)

    async def _report_changed(self, info: CallInfo, changed: dict[str, str]) -> None:
        await self._call_event_handler("on_caller_changed", info, changed)

    async def _report_ended(self, reason: str) -> None:
        await self._call_event_handler("on_call_ended", reason)
