"""G.711 μ-law as numpy tables.

Source: ITU-T G.711.
"""

import numpy as np

_BIAS = 0x84
_CLIP = 32635


def _table() -> np.ndarray:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + _BIAS) << ((code >> 4) & 7)
    return np.where(code & 0x80, _BIAS - magnitude, magnitude - _BIAS).astype(np.int16)


_DECODED = _table()


def decode_mulaw(data: bytes) -> np.ndarray:
    """One byte a sample → int16 samples."""
    return _DECODED[np.frombuffer(data, np.uint8)]


def encode_mulaw(samples: np.ndarray) -> bytes:
    """Int16 samples → one byte a sample."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)
    return (~(code | np.where(samples < 0, 0x80, 0))).astype(np.uint8).tobytes()
