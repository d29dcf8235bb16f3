"""Microphone and speaker in place of a phone."""

import importlib
import importlib.util

from pipecat.transports.base_transport import BaseTransport

from transports.line_error import LineError
from transports.phone_filter import PhoneFilter
from transports.quiet_sound import quiet_alsa, quiet_stderr

IN_RATE_HZ = 16000


def local_audio_transport(*, phone: bool) -> BaseTransport:
    """Opens the default microphone and speaker, by Pipecat's ``LocalAudioTransport``.

    There is no echo cancellation: without a headset the bot hears itself.

    Args:
        phone: Send both directions through 8 kHz μ-law, as a call does.

    Raises:
        LineError: ``no_audio_extra`` without PyAudio, ``no_audio_device`` without a device.
    """
    if not importlib.util.find_spec("pyaudio"):
        raise LineError(
            "no_audio_extra",
            "Talking by microphone needs PyAudio: install PortAudio "
            "(apt install portaudio19-dev, brew install portaudio), "
            "then run make mic, or pip install 'switchboard[mic]'",
        )
    with quiet_stderr():
        _require_devices()
        # Only now: without PyAudio they cannot be imported.
        local = importlib.import_module("pipecat.transports.local.audio")
        card = importlib.import_module("transports.sound_card")
        quiet_alsa()
        return card.SoundCardTransport(
            local.LocalAudioTransportParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_in_sample_rate=IN_RATE_HZ,
                audio_in_filter=PhoneFilter() if phone else None,
                audio_out_filter=PhoneFilter() if phone else None,
                audio_out_10ms_chunks=2,
                audio_out_end_silence_secs=0,
            )
        )


def _require_devices() -> None:
    pyaudio = importlib.import_module("pyaudio")
    audio = pyaudio.PyAudio()
    try:
        for name, find in (
            ("microphone", audio.get_default_input_device_info),
            ("speaker", audio.get_default_output_device_info),
        ):
            try:
                find()
            except OSError as e:
                raise LineError(
                    "no_audio_device",
                    f"No {name} found: connect one, or start a sound server such as PulseAudio "
                    "(on Debian PortAudio reaches it by libasound2-plugins)",
                ) from e
    finally:
        audio.terminate()
