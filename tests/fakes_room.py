"""A stand-in for ``rtc.Room``: no server, but real audio sources, tracks and streams."""

import asyncio
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from livekit import rtc
from livekit.rtc.event_emitter import EventEmitter
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from transports.livekit_sip import LiveKitSIPTransport


class FakeParticipant:
    """A remote participant; SIP by default."""

    def __init__(
        self, identity: str, kind: int = rtc.ParticipantKind.PARTICIPANT_KIND_SIP, **attributes: str
    ):
        self.identity = self.name = self.sid = identity
        self.kind, self.attributes = kind, attributes
        self.metadata, self.track_publications, self.disconnect_reason = "", {}, None


class FakeLocalParticipant:
    """Keeps what was published."""

    identity = "bot"

    def __init__(self, room: "FakeRoom"):
        self.room = room
        self.digits: list[tuple[float, str, str]] = []
        self.tracks: list[rtc.LocalAudioTrack] = []
        self.rpcs: list[dict[str, str]] = []

    async def publish_track(self, track, options) -> None:
        self.tracks.append(track)
        await asyncio.sleep(0)

    async def perform_rpc(self, **request) -> str:
        self.rpcs.append(request)
        return "{}"


async def fake_publish_key(participant: FakeLocalParticipant, key: str, to: str) -> None:
    """Patch it in: ``monkeypatch.setattr(livekit_sip_client, "publish_key", fake_publish_key)``."""
    participant.digits.append((asyncio.get_running_loop().time(), key, to))


class FakeRoom(EventEmitter):
    """Patch it in: ``monkeypatch.setattr(rtc, "Room", FakeRoom)``; ``instances`` are those made."""

    present: list[FakeParticipant] = []
    instances: list["FakeRoom"] = []
    refuse: str | None = None

    def __init__(self, loop=None):
        super().__init__()
        self.remote_participants: dict[str, FakeParticipant] = {}
        self.local_participant = FakeLocalParticipant(self)
        self.connects = self.disconnects = 0
        self._tracks: list[rtc.Track] = []  # as the SDK's publications do
        FakeRoom.instances.append(self)

    async def connect(self, url, token, options=None) -> None:
        self.connects += 1
        if self.refuse:
            raise rtc.ConnectError(self.refuse)
        for participant in self.present:
            self.remote_participants[participant.identity] = participant

    async def disconnect(self) -> None:
        self.disconnects += 1

    def join(self, participant: FakeParticipant) -> FakeParticipant:
        """A participant joins."""
        self.remote_participants[participant.identity] = participant
        self.emit("participant_connected", participant)
        return participant

    def leave(self, participant: FakeParticipant, reason: int | None) -> None:
        """A participant leaves; a full reconnect of ours drops everyone without a reason."""
        participant.disconnect_reason = reason
        del self.remote_participants[participant.identity]
        self.emit("participant_disconnected", participant)

    def change(self, participant: FakeParticipant, **attributes: str) -> None:
        """A participant's attributes change."""
        participant.attributes.update(attributes)
        self.emit("participant_attributes_changed", attributes, participant)

    def publish(self, participant: FakeParticipant, source: rtc.AudioSource) -> None:
        """The bot is subscribed to a participant's audio."""
        track = rtc.LocalAudioTrack.create_audio_track(participant.identity, source)
        self._tracks.append(track)
        publication = types.SimpleNamespace(kind=rtc.TrackKind.KIND_AUDIO, source=2, sid="TR")
        self.emit("track_subscribed", track, publication, participant)


async def until(condition, secs: float = 2.0) -> None:
    """Waits for a condition that no event announces."""
    async with asyncio.timeout(secs):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running_call(
    *processors, publish: bool = True, observers=(), out_rate_hz: int = 16000, **kwargs
) -> AsyncIterator[tuple[LiveKitSIPTransport, PipelineWorker, asyncio.Task]]:
    """A joined transport in a running worker; the worker is cancelled at the end."""
    FakeRoom.present = FakeRoom.present or [FakeParticipant("sip_caller")]
    transport = LiveKitSIPTransport("ws://unused", "", "room", **kwargs)
    await transport.join()
    worker = PipelineWorker(
        Pipeline([transport.input(), *processors, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=out_rate_hz),
        observers=list(observers),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    started = asyncio.Event()
    worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(5):
            await started.wait()
        if publish:
            await transport.publish()
        yield transport, worker, running
    finally:
        if not running.done():
            await worker.cancel()
        async with asyncio.timeout(5):
            await running
