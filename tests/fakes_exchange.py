"""An exchange on free ports, tokens for it, and an SDK client that remembers what it heard."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from livekit import api, rtc

from local.exchange.config import ExchangeConfig

KEY, SECRET = "testkey", "test-secret-that-is-long-enough-for-hs256"
EVENTS = (
    "participant_connected",
    "participant_disconnected",
    "participant_active",
    "track_published",
    "track_subscribed",
    "track_unsubscribed",
    "track_unpublished",
    "track_muted",
    "track_unmuted",
    "disconnected",
    "participant_attributes_changed",
    "participant_metadata_changed",
    "data_received",
    "sip_dtmf_received",
    "active_speakers_changed",
    "token_refreshed",
    "reconnecting",
    "reconnected",
    "local_track_subscribed",
    "participant_permissions_changed",
    "room_metadata_changed",
)


def free_config(**changes: Any) -> ExchangeConfig:
    return ExchangeConfig(
        **{
            "api_key": KEY,
            "api_secret": SECRET,
            "http_port": 0,
            "rtc_port": 0,
            "sip_port": 0,
            **changes,
        }
    )


def token(identity: str, room: str = "room", *, kind: str = "", **grants: Any) -> str:
    made = (
        api.AccessToken(KEY, SECRET)
        .with_identity(identity)
        .with_name(identity.upper())
        .with_grants(api.VideoGrants(room_join=True, room=room, **grants))
    )
    return (made.with_kind(kind) if kind else made).to_jwt()


async def until(condition: Callable[[], Any], secs: float = 8.0) -> Any:
    """Wait for something that has no event of its own to wait for."""
    async with asyncio.timeout(secs):
        while not (value := condition()):  # noqa: ASYNC110 - there is no event to await
            await asyncio.sleep(0.01)
        return value


class Client:
    """A room of the SDK with everything that happened in it, in order."""

    def __init__(self):
        self.room = rtc.Room()
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self._changed = asyncio.Event()
        self._source: rtc.AudioSource | None = None
        for name in EVENTS:
            self.room.on(name, lambda *args, name=name: self._add(name, args))

    @classmethod
    async def join(cls, url: str, jwt: str, **options: Any) -> "Client":
        client = cls()
        await client.room.connect(url, jwt, rtc.RoomOptions(**options))
        return client

    def _add(self, name: str, args: tuple[Any, ...]) -> None:
        self.log.append((name, args))
        self._changed.set()

    def names(self) -> list[str]:
        return [name for name, _ in self.log]

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [args for n, args in self.log if n == name]

    async def wait_for(self, name: str, count: int = 1, secs: float = 8.0) -> tuple[Any, ...]:
        """Return the arguments of the ``count``-th event of that name."""
        async with asyncio.timeout(secs):
            while len(self.of(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(name)[count - 1]

    async def publish(self, name: str = "voice") -> rtc.LocalTrackPublication:
        self._source = rtc.AudioSource(16000, 1, 100)
        track = rtc.LocalAudioTrack.create_audio_track(name, self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        return await self.room.local_participant.publish_track(track, options)

    async def say(self, hertz: float, secs: float) -> None:
        """Play a tone into the published track."""
        assert self._source is not None
        for tick in range(round(secs / 0.02)):
            wave = np.sin(2 * np.pi * hertz * (np.arange(320) + tick * 320) / 16000)
            pcm = (wave * 8000).astype(np.int16).tobytes()
            await self._source.capture_frame(rtc.AudioFrame(pcm, 16000, 1, 320))

    async def leave(self) -> None:
        await self.room.disconnect()


async def loudness(track: rtc.Track, secs: float, rate_hz: int = 16000) -> list[int]:
    """Peaks of the 20 ms frames heard on a track for so long."""
    stream = rtc.AudioStream(track, sample_rate=rate_hz, num_channels=1, frame_size_ms=20)
    peaks: list[int] = []
    try:
        async with asyncio.timeout(secs + 5):
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16)
                peaks.append(int(np.abs(samples.astype(int)).max()))
                if len(peaks) >= secs / 0.02:
                    break
    finally:
        await stream.aclose()
    return peaks
