"""G.711 as two tables of 256: ``ULAW[codes]`` and ``ALAW[codes]`` are int16 samples."""

import numpy as np


def _ulaw() -> np.ndarray:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4 & 7).astype(np.int32)
    size = (((code & 15).astype(np.int32) << 3) + 0x84 << exponent) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _alaw() -> np.ndarray:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (code >> 4 & 7).astype(np.int32)
    size = ((code & 15).astype(np.int32) << 4) + 8
    size = np.where(exponent > 0, (size + 0x100) << np.maximum(exponent - 1, 0), size)
    return np.where(code & 0x80, size, -size).astype(np.int16)


ULAW = _ulaw()
"""μ-law. Source: ITU-T G.711."""

ALAW = _alaw()
"""A-law. Source: ITU-T G.711."""
