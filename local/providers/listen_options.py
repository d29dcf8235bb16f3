"""What a client asks of ``/v1/listen`` in its query."""

from collections.abc import Mapping
from dataclasses import dataclass

# Final without a Finalize when the client asked for no endpointing: rescues a word its VAD missed.
UNASKED_FINAL_MS = 700
# Deepgram's default of 10 ms would tear words apart with these models.
SHORTEST_ENDPOINT_MS = 140
_RATES_HZ = (8000, 16000, 24000, 44100, 48000)
_ENCODINGS = ("linear16", "mulaw")


class ListenOptionsError(ValueError):
    """The query asks for what is not served; the message names what is."""


@dataclass(frozen=True)
class ListenOptions:
    """Options of one stream.

    Parameters:
        rate_hz: Of the audio that comes.
        encoding: ``linear16`` or ``mulaw``.
        channels: 1, or 2 that are mixed.
        interims: Send transcripts that may still change.
        vad_events: Send SpeechStarted.
        endpointing_ms: Silence after which a final is sent unasked.
        utterance_end_ms: Silence after which UtteranceEnd is sent; 0: never.
        model: Name to give back.
    """

    rate_hz: int = 16000
    encoding: str = "linear16"
    channels: int = 1
    interims: bool = False
    vad_events: bool = False
    endpointing_ms: int = UNASKED_FINAL_MS
    utterance_end_ms: int = 0
    model: str = "nova-3-general"

    @classmethod
    def from_query(cls, query: Mapping[str, str], endpointing: str = "") -> "ListenOptions":
        """Read the query; ``endpointing`` holds if the client names none.

        Raises:
            ListenOptionsError: If a value is not served.
        """
        rate_hz = _one_of("sample_rate", query.get("sample_rate", "16000"), _RATES_HZ)
        encoding = query.get("encoding", "linear16")
        if encoding not in _ENCODINGS:
            allowed = ", ".join(_ENCODINGS)
            raise ListenOptionsError(f"encoding: {encoding!r} is not one of {allowed}")
        asked = query.get("endpointing", endpointing)
        silence_ms = int(asked) if asked.isdigit() else UNASKED_FINAL_MS
        utterance_end = query.get("utterance_end_ms", "0")
        return cls(
            rate_hz=rate_hz,
            encoding=encoding,
            channels=_one_of("channels", query.get("channels", "1"), (1, 2)),
            interims=query.get("interim_results", "false") == "true",
            vad_events=query.get("vad_events", "false") == "true",
            endpointing_ms=max(SHORTEST_ENDPOINT_MS, silence_ms),
            utterance_end_ms=int(utterance_end) if utterance_end.isdigit() else 0,
            model=query.get("model", "nova-3-general"),
        )


def _one_of(name: str, value: str, allowed: tuple[int, ...]) -> int:
    if not value.isdigit() or int(value) not in allowed:
        names = ", ".join(map(str, allowed))
        raise ListenOptionsError(f"{name}: {value!r} is not one of {names}")
    return int(value)
