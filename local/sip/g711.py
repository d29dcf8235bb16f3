"""G.711 by tables: PCMU and PCMA bytes to 16-bit PCM and back (ITU-T G.711)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class G711:
    """One law.

    Parameters:
        name: ``PCMU`` or ``PCMA``.
        payload: Static RTP payload number.
        silence: The code of zero.
    """

    name: str
    payload: int
    silence: int
    _encode: np.ndarray
    _decode: np.ndarray

    def encode(self, pcm: np.ndarray) -> bytes:
        """16-bit mono PCM to one byte a sample."""
        return self._encode.take(pcm.astype(np.int16, copy=False).view(np.uint16)).tobytes()

    def decode(self, payload: bytes) -> np.ndarray:
        """One byte a sample to 16-bit mono PCM."""
        return self._decode.take(np.frombuffer(payload, np.uint8))


def _mu_law() -> G711:
    codes = ~np.arange(256) & 0xFF
    magnitude = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
    decode = np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)
    # Indexed by the sample's uint16 view: 0…32767, then -32768…-1.
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    biased = np.minimum(np.abs(samples), 32635) + 0x84
    segment = np.floor(np.log2(biased)).astype(np.int64) - 7
    code = np.where(samples < 0, 0x80, 0) | (segment << 4) | ((biased >> (segment + 3)) & 0x0F)
    return G711("PCMU", 0, 0xFF, (~code & 0xFF).astype(np.uint8), decode)


def _a_law() -> G711:
    codes = np.arange(256) ^ 0x55
    segment, low = (codes & 0x70) >> 4, (codes & 0x0F) << 4
    magnitude = np.where(segment == 0, low + 8, (low + 0x108) << np.maximum(segment - 1, 0))
    decode = np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64)
    magnitude = np.where(samples < 0, -samples - 1, samples) >> 3
    limits = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF])
    segment = np.searchsorted(limits, magnitude)
    mantissa = np.where(segment < 2, magnitude >> 1, magnitude >> segment) & 0x0F
    code = ((segment << 4) | mantissa) ^ np.where(samples < 0, 0x55, 0xD5)
    return G711("PCMA", 8, 0xD5, code.astype(np.uint8), decode)


CODECS = {law.name: law for law in (_mu_law(), _a_law())}
