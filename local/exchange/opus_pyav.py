"""Opus by PyAV, where libopus is hidden inside libav: the same, at three times the cost."""

import fractions
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

RATE_HZ = 8000


class PyavEncoder:
    """Mono at 8 kHz, low delay, constant bit rate."""

    def __init__(self, *, bit_rate: int, complexity: int):
        """Make an encoder.

        Args:
            bit_rate: Bits a second.
            complexity: 0 to 10.
        """
        context = cast(AudioCodecContext, av.CodecContext.create("libopus", "w"))
        context.bit_rate = bit_rate
        context.format, context.layout = "s16", "mono"
        context.sample_rate = RATE_HZ
        context.time_base = fractions.Fraction(1, RATE_HZ)
        context.options = {
            "application": "lowdelay",
            "vbr": "off",
            "compression_level": str(complexity),
        }
        self._context = context

    def encode(self, pcm: np.ndarray) -> bytes:
        """Encode 20 ms, int16[160], to one packet."""
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        # Without a time of its own: the encoder counts samples.
        frame.sample_rate = RATE_HZ
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class PyavDecoder:
    """Any Opus stream to mono at 8 kHz."""

    def __init__(self):
        context = cast(AudioCodecContext, av.CodecContext.create("libopus", "r"))
        context.layout = "mono"
        self._context = context
        self._resampler = av.AudioResampler("s16", "mono", RATE_HZ)

    def decode(self, payload: bytes) -> np.ndarray:
        """Decode one packet, never empty, to int16 samples; an undecodable one gives none."""
        try:
            frames = self._context.decode(av.Packet(payload))
        except FFmpegError:
            return np.zeros(0, np.int16)
        narrow = [part for frame in frames for part in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.int16), *(p.to_ndarray()[0] for p in narrow)])
