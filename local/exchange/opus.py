"""Opus of telephone legs: 20 ms of 8 kHz mono PCM to a packet and back, by PyAV."""

import fractions
from typing import Any, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from local.exchange.decimator import FACTOR, Decimator

RATE_HZ = 8000
FRAME = 160
# Opus counts time in 48 kHz, whatever is inside.
OPUS_TICKS = 960
_BITRATE = 24_000
_FRAME_SECS = 0.02
# A third of the processor time of the default 10, and no difference on a telephone line.
_COMPLEXITY = "3"
_TIME_BASE = fractions.Fraction(1, RATE_HZ)


class OpusEncoder:
    """Encodes frames of 160 samples; low delay, constant bit rate."""

    def __init__(self):
        context = cast(AudioCodecContext, av.CodecContext.create("libopus", "w"))
        context.bit_rate = _BITRATE
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = RATE_HZ
        context.time_base = _TIME_BASE
        context.options = {
            "application": "lowdelay",
            "frame_duration": f"{_FRAME_SECS * 1000:g}",
            "vbr": "off",
            "compression_level": _COMPLEXITY,
        }
        self._context = context

    def encode(self, pcm: np.ndarray) -> list[bytes]:
        """Encode int16 samples; returns the packets that are complete."""
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        # Without a time of its own: the encoder counts samples, and PyAV needs no fractions.
        frame.sample_rate = RATE_HZ
        return [bytes(packet) for packet in self._context.encode(frame)]


class OpusDecoder:
    """Decodes packets of any Opus stream to whole frames of 160 samples at 8 kHz."""

    def __init__(self):
        context = cast(AudioCodecContext, av.CodecContext.create("libopus", "r"))
        context.layout = "mono"
        context.sample_rate = FACTOR * RATE_HZ
        self._context = context
        self._decimator = Decimator()
        self._rest = np.zeros(0, np.int16)

    def decode(self, payload: bytes) -> list[np.ndarray]:
        """Decode one packet; an undecodable one gives nothing.

        A packet of 20 ms gives one frame at once; shorter ones are put together.
        """
        try:
            decoded = self._context.decode(av.Packet(payload))
        except FFmpegError:
            return []
        frames: list[np.ndarray] = []
        for frame in decoded:
            samples = np.frombuffer(cast(Any, frame.planes[0]), np.int16, frame.samples)
            pcm = np.concatenate([self._rest, self._decimator.process(samples)])
            whole = len(pcm) // FRAME * FRAME
            self._rest = pcm[whole:]
            frames += list(pcm[:whole].reshape(-1, FRAME))
        return frames
