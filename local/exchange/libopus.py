"""libopus by ctypes: from PyAV's wheel, which brings one along, or else the system's.

Source: opus.h and opus_defines.h of libopus 1.3.
"""

import ctypes
import ctypes.util
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

import av
import numpy as np

RATE_HZ = 8000
# 120 ms, the most that one packet may hold.
_MAX_SAMPLES = 960
_MAX_PACKET = 1276
_RESTRICTED_LOWDELAY = 2051
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY = 4002, 4006, 4010
_MAC_FOLDER, _OTHER_FOLDER = ".dylibs", "../av.libs"


class OpusError(Exception):
    """libopus refused something; the text is its own."""


class LibopusEncoder:
    """Mono at 8 kHz, low delay, constant bit rate."""

    def __init__(self, library: ctypes.CDLL, *, bit_rate: int, complexity: int):
        """Make an encoder.

        Args:
            library: From ``load``.
            bit_rate: Bits a second.
            complexity: 0 to 10.

        Raises:
            OpusError: If it cannot be made so.
        """
        self._library = library
        error = ctypes.c_int()
        self._state = library.opus_encoder_create(
            RATE_HZ, 1, _RESTRICTED_LOWDELAY, ctypes.byref(error)
        )
        if not self._state:
            _fail(library, error.value)
        weakref.finalize(self, library.opus_encoder_destroy, self._state)
        settings = {_SET_BITRATE: bit_rate, _SET_VBR: 0, _SET_COMPLEXITY: complexity}
        for request, value in settings.items():
            status = library.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
            if status < 0:
                _fail(library, status)
        self._packet = np.zeros(_MAX_PACKET, np.uint8)
        self._packet_at = self._packet.ctypes.data

    def encode(self, pcm: np.ndarray) -> bytes:
        """Encode 20 ms, int16[160], to one packet.

        Raises:
            OpusError: If that many samples make no packet.
        """
        size = self._library.opus_encode(
            self._state, pcm.tobytes(), len(pcm), self._packet_at, _MAX_PACKET
        )
        if size < 0:
            _fail(self._library, size)
        return self._packet[:size].tobytes()


class LibopusDecoder:
    """Any Opus stream to mono at 8 kHz."""

    def __init__(self, library: ctypes.CDLL):
        """Make a decoder.

        Args:
            library: From ``load``.

        Raises:
            OpusError: If it cannot be made.
        """
        self._library = library
        error = ctypes.c_int()
        self._state = library.opus_decoder_create(RATE_HZ, 1, ctypes.byref(error))
        if not self._state:
            _fail(library, error.value)
        weakref.finalize(self, library.opus_decoder_destroy, self._state)
        self._pcm = np.zeros(_MAX_SAMPLES, np.int16)
        self._pcm_at = self._pcm.ctypes.data

    def decode(self, payload: bytes) -> np.ndarray:
        """Decode one packet, never empty, to int16 samples; an undecodable one gives none."""
        count = self._library.opus_decode(
            self._state, payload, len(payload), self._pcm_at, _MAX_SAMPLES, 0
        )
        return self._pcm[: max(0, count)].copy()


@cache
def load() -> ctypes.CDLL | None:
    """Find and load the library; ``None`` where there is none."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:  # of another architecture, or its own dependencies are missing
            continue
        _declare(library)
        return library
    return None


def _candidates() -> Iterator[str]:
    package = Path(av.__file__).parent
    for folder in (_MAC_FOLDER, _OTHER_FOLDER):
        yield from map(str, sorted((package / folder).glob("*opus[-.]*")))
    if name := ctypes.util.find_library("opus"):
        yield name


def _declare(library: ctypes.CDLL) -> None:
    pointer, integer, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_int32
    library.opus_strerror.restype = ctypes.c_char_p
    library.opus_encoder_create.restype = library.opus_decoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [size, integer, integer, pointer]
    library.opus_decoder_create.argtypes = [size, integer, pointer]
    library.opus_encoder_destroy.argtypes = library.opus_decoder_destroy.argtypes = [pointer]
    # The value is variadic and not declared: on Apple's ARM it travels another way.
    library.opus_encoder_ctl.argtypes = [pointer, integer]
    library.opus_encode.argtypes = [pointer, ctypes.c_char_p, integer, pointer, size]
    library.opus_encode.restype = size
    library.opus_decode.argtypes = [pointer, ctypes.c_char_p, size, pointer, integer, integer]


def _fail(library: ctypes.CDLL, status: int) -> NoReturn:
    raise OpusError(library.opus_strerror(status).decode())
