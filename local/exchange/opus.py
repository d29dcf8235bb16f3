"""Opus of telephone legs: 20 ms of 8 kHz mono PCM to a packet and back, by PyAV."""

import fractions
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

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
        self._pts = 0

    def encode(self, pcm: np.ndarray) -> list[bytes]:
        """Encode int16 samples; returns the packets that are complete."""
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE_HZ, self._pts
        frame.time_base = _TIME_BASE
        self._pts += len(pcm)
        return [bytes(packet) for packet in self._context.encode(frame)]


class OpusDecoder:
    """Decodes packets of any Opus stream to whole frames of 160 samples at 8 kHz.

    libavcodec decodes at 48 kHz. The resampler's first output is short by its delay (2 ms); it is
    filled up in front, so that every 20 ms packet gives one frame at once.
    """

    def __init__(self):
        context = cast(AudioCodecContext, av.CodecContext.create("libopus", "r"))
        context.layout = "mono"
        context.sample_rate = 48_000
        self._context = context
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        self._rest: np.ndarray | None = None

    def decode(self, payload: bytes) -> list[np.ndarray]:
        """Decode one packet; an undecodable one gives nothing."""
        pieces: list[np.ndarray] = []
        try:
            for frame in self._context.decode(av.Packet(payload)):
                frame.pts = None
                for part in self._resampler.resample(frame):
                    pieces.append(np.frombuffer(bytes(part.planes[0]), np.int16, part.samples))
        except FFmpegError:
            return []
        if not pieces:
            return []
        pcm = np.concatenate(pieces)
        if self._rest is None:
            self._rest = np.zeros(-len(pcm) % FRAME, np.int16)
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        return list(pcm[:whole].reshape(-1, FRAME))
