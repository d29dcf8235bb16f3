"""Keeps the libraries below PortAudio from writing into a conversation."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2
_SAY_NOTHING = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)(lambda *_: None)


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drops what is written to stderr, by C libraries too, while PortAudio looks for devices.

    ALSA and JACK tell of everything that is not there, in about a hundred lines.
    """
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def quiet_alsa() -> None:
    """Stops ALSA from telling of each pause of the speaker as an underrun; for good.

    Source: alsa-lib ``snd_lib_error_set_handler``. Without ALSA nothing happens.
    """
    with suppress(OSError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_SAY_NOTHING)
