"""What the providers' tests share: engines without models, and a running pipeline to look into."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from local.providers.engines import Engines
from local.providers.recognizer_pool import RecognizerPool
from local.providers.responder import Responder
from local.providers.server import ProviderOptions, Providers
from local.providers.speech_edges import spread, to_pcm
from local.providers.voice_pool import Piece, SynthesisError, VoicePool

FLOWS = Path(__file__).parent.parent / "flows"
RATE_HZ = 16000


class CountingRecognizer:
    """Hears how long the audio is: ``heard 1.2 s``."""

    name = "counting"

    def transcribe(self, samples: np.ndarray) -> str:
        return f"heard {len(samples) / RATE_HZ:.1f} s"


class ToneVoice:
    """Says each word as 100 ms of a tone, in two pieces; refuses to say ``unspeakable``."""

    name = "tone"

    def pieces(self, text: str, rate_hz: int, speed: float, *, last: bool) -> Iterator[Piece]:
        if "unspeakable" in text:
            raise SynthesisError("this cannot be said")
        words = text.split()
        secs = 0.1 * len(words) / speed
        tone = 0.3 * np.sin(np.arange(int(secs * rate_hz)) * 2 * np.pi * 440 / rate_hz)
        half = len(tone) // 2
        starts, ends = spread(words, 0.0, secs)
        yield Piece(to_pcm(tone[:half]), half / rate_hz, words, starts, ends)
        yield Piece(to_pcm(tone[half:]), (len(tone) - half) / rate_hz)


def fake_engines() -> Engines:
    return Engines(
        RecognizerPool([CountingRecognizer(), CountingRecognizer()]), VoicePool(ToneVoice())
    )


@asynccontextmanager
async def fake_providers(options: ProviderOptions | None = None) -> AsyncIterator[Providers]:
    """The three protocols on a free port, without speech models."""
    providers = Providers(Responder.load(FLOWS), fake_engines(), options)
    await providers.listen()
    try:
        yield providers
    finally:
        await providers.close()


class Tap(FrameProcessor):
    """Keeps the frames that pass, and lets a test wait for one."""

    def __init__(self):
        super().__init__()
        self.frames: list[Frame] = []
        self.passed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)
        async with self.passed:
            self.passed.notify_all()

    async def wait(self, wanted: Callable[[Frame], bool], secs: float = 10.0) -> Any:
        """The first frame that is wanted, seen already or yet to come."""
        async with asyncio.timeout(secs), self.passed:
            while not (found := [frame for frame in self.frames if wanted(frame)]):
                await self.passed.wait()
        return found[0]

    def of(self, kind: type) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]


@asynccontextmanager
async def running(
    *processors: FrameProcessor, rate_hz: int = RATE_HZ
) -> AsyncIterator[tuple[PipelineWorker, list[ErrorFrame]]]:
    """A pipeline that has started, and the errors it reports."""
    worker = PipelineWorker(
        Pipeline(list(processors)),
        params=PipelineParams(audio_in_sample_rate=rate_hz, audio_out_sample_rate=24000),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    errors: list[ErrorFrame] = []
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_error")
    async def on_error(worker: PipelineWorker, frame: ErrorFrame):
        errors.append(frame)

    @worker.event_handler("on_pipeline_started")
    async def on_started(worker: PipelineWorker, frame: Frame):
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(15):
            await started.wait()
        yield worker, errors
    finally:
        await worker.cancel()
        await asyncio.wait([task], timeout=5)


def function(name: str, /, **properties: str) -> dict[str, Any]:
    """A tool as a request declares it: parameters by type."""
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
    }
    return {"type": "function", "function": {"name": name, "parameters": schema}}


BLUE_DOOR_TOOLS = [
    function("check_availability", date="string", time="string", party_size="integer"),
    function("book_table", date="string", time="string", party_size="integer", name="string"),
    function("cancel_table", name="string", date="string"),
    function("opening_hours", day="string"),
    function("end_call"),
]


class Caller:
    """A conversation with the responder: keeps the messages, runs the tools."""

    def __init__(
        self,
        responder: Responder,
        run_tool: Callable[[str, dict[str, Any]], dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None = None,
        prompt: str = "You work for the restaurant Blue Door.\nToday is 2026-11-21 (Saturday).",
    ):
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": prompt}]
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.tools = BLUE_DOOR_TOOLS if tools is None else tools
        self._responder = responder
        self._run_tool = run_tool

    def say(self, text: str) -> str:
        """Say something; returns all that is answered until the caller's turn."""
        self.messages.append({"role": "user", "content": text})
        return self.listen()

    def listen(self) -> str:
        spoken: list[str] = []
        for _ in range(4):
            answer = self._responder.answer(self.messages, self.tools)
            spoken.append(answer.text)
            message: dict[str, Any] = {"role": "assistant", "content": answer.text}
            if not answer.tool:
                self.messages.append(message)
                break
            self.calls.append((answer.tool, answer.arguments))
            call_id = f"call_{len(self.calls)}"
            call = {"name": answer.tool, "arguments": json.dumps(answer.arguments)}
            message["tool_calls"] = [{"id": call_id, "type": "function", "function": call}]
            result = json.dumps(self._run_tool(answer.tool, answer.arguments))
            self.messages.append(message)
            self.messages.append({"role": "tool", "tool_call_id": call_id, "content": result})
            if answer.tool == "end_call":
                break
        return " ".join(filter(None, spoken))


@contextmanager
def providers_process(
    folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``python -m local.providers`` on a free port; yields it once it has said READY=1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        (folder / "log").open("w") as log,
    ):
        notify.bind(str(folder / "notify"))
        notify.settimeout(60)
        command = [sys.executable, "-m", "local.providers", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--rules", str(FLOWS), *arguments],
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), **(environ or {})},
            stderr=log,
            text=True,
        )
        try:
            assert notify.recv(64) == b"READY=1", (folder / "log").read_text()
            yield process, port
        finally:
            process.terminate()
            process.wait(10)
