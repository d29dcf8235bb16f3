"""The echo bot's one processor."""

from pipecat.frames.frames import InputAudioRawFrame, OutputAudioRawFrame
from pipecat.tests.utils import run_test

from processors.echo import EchoProcessor
from transports.standing_audio import StandingAudio


async def test_every_frame_of_the_caller_comes_back_unchanged():
    sent = [InputAudioRawFrame(bytes([i]) * 640, 16000, 1) for i in range(3)]
    down, _ = await run_test(EchoProcessor(), frames_to_send=sent)
    back = [f for f in down if isinstance(f, OutputAudioRawFrame)]
    assert [(f.audio, f.sample_rate) for f in back] == [(f.audio, 16000) for f in sent]
    assert not [f for f in down if isinstance(f, InputAudioRawFrame)]


def test_live_audio_that_stands_in_the_queue_is_dropped_a_chunk_at_a_time():
    standing = StandingAudio()
    queued, dropped = 0.1, 0
    for _ in range(500):
        if standing.is_surplus(queued, 0.02):
            queued -= 0.02
            dropped += 1
    assert dropped == 4 and queued < 0.025


def test_a_queue_that_runs_empty_now_and_then_is_left_alone():
    standing = StandingAudio()
    queues = [0.02 * (i % 4) for i in range(500)]
    assert not any(standing.is_surplus(queued, 0.02) for queued in queues)
