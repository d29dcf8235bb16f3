"""The echo bot's one processor."""

from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.tests.utils import run_test

from processors.echo import EchoProcessor


async def test_every_frame_of_the_caller_comes_back_unchanged():
    sent = [InputAudioRawFrame(bytes([i]) * 640, 16000, 1) for i in range(3)]
    down, _ = await run_test(EchoProcessor(), frames_to_send=sent)
    back = [f for f in down if isinstance(f, OutputAudioRawFrame)]
    assert [(f.audio, f.sample_rate) for f in back] == [(f.audio, 16000) for f in sent]
    assert not [f for f in down if isinstance(f, InputAudioRawFrame)]
