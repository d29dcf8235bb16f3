"""An idle line costs fewer frames; speech costs none of its time."""

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InputAudioRawFrame,
    UserAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.tests.utils import run_test

from processors.audio_bundler import AudioBundler

SIZE = 640


def line(frames: int, first: int = 0) -> list[Frame]:
    """Frames of 20 ms; every sample tells which one it is of."""
    return [
        UserAudioRawFrame(bytes([n % 256]) * SIZE, 16000, 1, user_id="caller")
        for n in range(first, first + frames)
    ]


async def heard(*frames: Frame) -> list[InputAudioRawFrame]:
    """What comes out, in order; nothing is lost or changed but the frames' lengths."""
    down, _ = await run_test(AudioBundler(), frames_to_send=list(frames))
    audio = [frame for frame in down if isinstance(frame, InputAudioRawFrame)]
    sent = b"".join(frame.audio for frame in frames if isinstance(frame, InputAudioRawFrame))
    out = b"".join(frame.audio for frame in audio)
    assert sent.startswith(out) and len(sent) - len(out) < 3 * SIZE
    return audio


def lengths(audio: list[InputAudioRawFrame]) -> list[int]:
    return [len(frame.audio) // SIZE for frame in audio]


async def test_a_line_is_bundled_once_it_was_silent_for_two_seconds():
    audio = await heard(*line(112))
    assert lengths(audio) == [1] * 100 + [3] * 4
    last = audio[-1]
    assert isinstance(last, UserAudioRawFrame) and last.user_id == "caller"
    assert (last.num_frames, last.sample_rate, last.num_channels) == (960, 16000, 1)


@pytest.mark.parametrize(
    "begin, end",
    [
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame),
        (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame),
    ],
)
async def test_every_frame_passes_while_somebody_speaks_and_two_seconds_longer(begin, end):
    audio = await heard(*line(103), begin(), *line(150, 103), end(), *line(106, 253))
    assert lengths(audio) == [1] * 100 + [3] + [1] * 250 + [3] * 2


async def test_what_was_kept_when_speech_began_comes_with_the_next_frame():
    audio = await heard(*line(105), BotStartedSpeakingFrame(), *line(2, 105))
    assert lengths(audio) == [1] * 100 + [3, 3, 1]


async def test_one_who_stops_speaking_does_not_silence_the_other():
    audio = await heard(
        BotStartedSpeakingFrame(),
        VADUserStartedSpeakingFrame(),
        BotStoppedSpeakingFrame(),
        *line(130),
    )
    assert lengths(audio) == [1] * 130
