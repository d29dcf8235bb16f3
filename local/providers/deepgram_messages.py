"""The messages that Deepgram's ``/v1/listen`` sends.

Source: deepgram-sdk 7.17 listen/v1/types; pipecat services/deepgram/stt.py reads them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.providers.speech_edges import spread

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Span:
    """A stretch of the stream, in seconds since its beginning.

    Parameters:
        start: Where it begins.
        end: Where it ends.
        first: Where speech begins in it.
        last: Where speech ends in it.
    """

    start: float
    end: float
    first: float
    last: float


def results(
    text: str,
    span: Span,
    *,
    request_id: str,
    model: str,
    arch: str,
    is_final: bool,
    from_finalize: bool = False,
    speech_final: bool = False,
) -> dict[str, Any]:
    """A transcript; words are spread over the speech by their letters."""
    alternative = {
        "transcript": text,
        "confidence": _CONFIDENCE if text else 0.0,
        "words": _words(text, span),
    }
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": span.start,
        "duration": span.end - span.start,
        "is_final": is_final,
        "speech_final": speech_final,
        "from_finalize": from_finalize,
        "channel": {"alternatives": [alternative]},
        "metadata": {
            "request_id": request_id,
            "model_uuid": "00000000-0000-0000-0000-000000000000",
            "model_info": {"name": model, "version": "local", "arch": arch},
        },
    }


def speech_started(at_secs: float) -> dict[str, Any]:
    """Only with ``vad_events=true``."""
    return {"type": "SpeechStarted", "channel": [0, 1], "timestamp": at_secs}


def utterance_end(last_word_secs: float) -> dict[str, Any]:
    """Only with ``utterance_end_ms``."""
    return {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last_word_secs}


def metadata(
    *, request_id: str, sha256: str, duration_secs: float, channels: int, model: str
) -> dict[str, Any]:
    """The last message before the socket closes."""
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": sha256,
        "created": datetime.now(UTC).isoformat(),
        "duration": duration_secs,
        "channels": channels,
        "models": [model],
    }


def _words(text: str, span: Span) -> list[dict[str, Any]]:
    words = text.split()
    starts, ends = spread(words, span.first, span.last)
    return [
        {
            "word": word.strip(".,!?;:").lower(),
            "punctuated_word": word,
            "start": start,
            "end": end,
            "confidence": _CONFIDENCE,
        }
        for word, start, end in zip(words, starts, ends, strict=True)
    ]
