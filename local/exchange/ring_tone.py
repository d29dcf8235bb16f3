"""The ringing tone that livekit-sip plays on request, to the room or to a caller it transfers."""

from collections.abc import Iterator

import numpy as np

RATE_HZ, FRAME = 8000, 160
_HERTZ, _ON_SECS, _OFF_SECS = 425, 1.0, 4.0
_LEVEL = 16384


def ring_tone() -> Iterator[np.ndarray]:
    """Endless frames of 20 ms: 425 Hz for 1 s, silence for 4 s (ETSI).

    Source: livekit/media-sdk ``tones``, ETSIRinging.
    """
    time = np.arange(round(_ON_SECS * RATE_HZ)) / RATE_HZ
    tone = (_LEVEL * np.sin(2 * np.pi * _HERTZ * time)).astype(np.int16)
    period = np.concatenate([tone, np.zeros(round(_OFF_SECS * RATE_HZ), np.int16)])
    while True:
        yield from period.reshape(-1, FRAME)
