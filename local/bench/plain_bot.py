"""Plain Pipecat with its own transport and turn defaults: what Switchboard is measured beside.

Run as ``python -m local.bench.plain_bot echo|talk ROOM``. It joins one room, which answers every
call that a direct dispatch rule sends there, and prints ``ready`` once its track is published.
Addresses and keys come from the environment, as for the server.
"""

import asyncio
import os
import sys

from livekit.api import AccessToken, VideoGrants
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport
from pipecat.workers.runner import WorkerRunner

LONG_STORY = " ".join(
    f"This is sentence number {number} of a story that nobody needs to hear to its end."
    for number in ("one", "two", "three", "four", "five", "six", "seven", "eight")
)


class _Echo(FrameProcessor):
    """Sends input audio back."""

    async def process_frame(self, frame: Frame, direction: FrameDirection):
        """Turn input frames into output frames, pass on the rest."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self.push_frame(
                OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
            )
        else:
            await self.push_frame(frame, direction)


def _token(room: str) -> str:
    grants = VideoGrants(room_join=True, room=room, agent=True)
    return (
        AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity(f"plain-{room}")
        .with_kind("agent")
        .with_grants(grants)
        .to_jwt()
    )


def _talk(transport: LiveKitTransport) -> list[FrameProcessor]:
    """STT, LLM and TTS as Pipecat's documentation puts them together, all defaults."""
    stt = DeepgramSTTService(api_key="local", base_url=os.environ["DEEPGRAM_URL"])
    llm = OpenAILLMService(
        api_key="local",
        base_url=os.environ["OPENAI_BASE_URL"],
        settings=OpenAILLMService.Settings(model="gpt-4.1-mini"),
    )
    tts = CartesiaTTSService(
        api_key="local",
        url=os.environ["CARTESIA_URL"],
        settings=CartesiaTTSService.Settings(voice="joe"),
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    return [transport.input(), stt, user, llm, tts, transport.output(), assistant]


async def main(kind: str, room: str) -> None:
    """Runs the bot until it is terminated."""
    transport = LiveKitTransport(
        os.environ["LIVEKIT_URL"],
        _token(room),
        room,
        LiveKitParams(audio_in_enabled=True, audio_out_enabled=True),
    )
    processors = (
        [transport.input(), _Echo(), transport.output()] if kind == "echo" else _talk(transport)
    )
    worker = PipelineWorker(
        Pipeline(processors), params=PipelineParams(enable_metrics=True), idle_timeout_secs=None
    )

    @transport.event_handler("on_participant_connected")
    async def on_participant_connected(_, participant: str):
        if kind == "talk":
            await worker.queue_frame(TTSSpeakFrame(LONG_STORY))

    @worker.event_handler("on_pipeline_started")
    async def on_pipeline_started(*_):
        print("ready", flush=True)

    runner = WorkerRunner(handle_sigterm=True)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    asyncio.run(main(*sys.argv[1:3]))
