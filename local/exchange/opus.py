"""Opus of telephone legs: 20 ms of 8 kHz mono PCM to a packet and back."""

from typing import Protocol

import numpy as np

from local.exchange import libopus
from local.exchange.opus_pyav import PyavDecoder, PyavEncoder

FRAME = 160
# Opus counts time in 48 kHz, whatever is inside.
OPUS_TICKS = 960
BIT_RATE = 24_000
# At this bit rate more of it makes no telephone line better, only dearer.
COMPLEXITY = 0


class Encoder(Protocol):
    """What makes packets."""

    def encode(self, pcm: np.ndarray) -> bytes:
        """Encode 20 ms, int16[160], to one packet."""
        ...


class Decoder(Protocol):
    """What reads packets."""

    def decode(self, payload: bytes) -> np.ndarray:
        """Decode one packet, never empty, to int16 at 8 kHz; an undecodable one gives none."""
        ...


def new_encoder() -> Encoder:
    """Make an encoder: low delay, constant bit rate."""
    if library := libopus.load():
        return libopus.LibopusEncoder(library, bit_rate=BIT_RATE, complexity=COMPLEXITY)
    return PyavEncoder(bit_rate=BIT_RATE, complexity=COMPLEXITY)


def new_decoder() -> Decoder:
    """Make a decoder."""
    if library := libopus.load():
        return libopus.LibopusDecoder(library)
    return PyavDecoder()


class FrameDecoder:
    """Decodes packets of any Opus stream to whole frames of 160 samples at 8 kHz."""

    def __init__(self, decoder: Decoder | None = None):
        """Begin a stream.

        Args:
            decoder: What reads the packets; a new one when left out.
        """
        self._decoder = decoder or new_decoder()
        self._rest = np.zeros(0, np.int16)

    def decode(self, payload: bytes) -> list[np.ndarray]:
        """Decode one packet; an undecodable one gives nothing.

        A packet of 20 ms gives one frame at once; shorter ones are put together.
        """
        # An empty packet means a loss to libopus and the end of the stream to libav.
        if not payload:
            return []
        pcm = self._decoder.decode(payload)
        if len(pcm) == FRAME and not len(self._rest):
            return [pcm]
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        return list(pcm[:whole].reshape(-1, FRAME))
