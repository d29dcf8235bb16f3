"""One ``context_id`` of the Cartesia protocol: text in by pieces, audio out in order."""

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from local.providers.mulaw import encode_mulaw
from local.providers.sentences import split_clauses, split_sentences, take_ready
from local.providers.voice_pool import Piece, SpeechJob, SynthesisError, VoicePool

# Small enough that a cancel acts between two of them.
CHUNK_MS = 80
# The cloud waits up to 3 s for more text; here the voice is as quick as the typist.
LONGEST_BUFFER_MS = 300
# A rough guess, good enough to order the jobs by.
_SECS_A_WORD = 0.3
_TAGS = re.compile(r"</?(?:spell|emotion|break|volume|speed)\b[^>]*>|<<[^>]*>>", re.I)
_SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4, "pcm_mulaw": 1}


class SpeechRequestError(ValueError):
    """A message asks for what is not served; the message names what is."""


@dataclass(frozen=True)
class SpeechFormat:
    """How a context is to sound.

    Parameters:
        rate_hz: Of the audio.
        encoding: ``pcm_s16le``, ``pcm_f32le`` or ``pcm_mulaw``.
        speed: 1.0 is the voice's own pace.
        timestamps: Send word times.
        buffer_ms: How long to wait for more text; 0: each message is spoken as it is.
    """

    rate_hz: int = 24000
    encoding: str = "pcm_s16le"
    speed: float = 1.0
    timestamps: bool = False
    buffer_ms: int = LONGEST_BUFFER_MS

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "SpeechFormat":
        """Read the first message of a context.

        Raises:
            SpeechRequestError: If the format is not served.
        """
        output = message.get("output_format") or {}
        encoding = output.get("encoding", "pcm_s16le")
        if output.get("container", "raw") != "raw" or encoding not in _SAMPLE_BYTES:
            allowed = ", ".join(_SAMPLE_BYTES)
            raise SpeechRequestError(f"output_format: only raw with one of {allowed}")
        delay = message.get("max_buffer_delay_ms")
        return cls(
            rate_hz=int(output.get("sample_rate", 24000)),
            encoding=encoding,
            speed=float((message.get("generation_config") or {}).get("speed") or 1.0),
            timestamps=bool(message.get("add_timestamps")),
            buffer_ms=LONGEST_BUFFER_MS if delay is None else min(int(delay), LONGEST_BUFFER_MS),
        )

    def encode(self, pcm: bytes) -> bytes:
        """16-bit PCM → the asked encoding."""
        if self.encoding == "pcm_s16le":
            return pcm
        samples = np.frombuffer(pcm, np.int16)
        if self.encoding == "pcm_mulaw":
            return encode_mulaw(samples)
        return (samples.astype("<f4") / 32768).tobytes()

    @property
    def chunk_bytes(self) -> int:
        """Size of one chunk, encoded."""
        return self.rate_hz * CHUNK_MS // 1000 * _SAMPLE_BYTES[self.encoding]


class SpeechContext:
    """Speaks one bot turn; sends nothing more once it is cancelled."""

    def __init__(
        self,
        format: SpeechFormat,
        pool: VoicePool,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        before_audio: Callable[[], Awaitable[None]],
        *,
        clauses: bool = False,
    ):
        """Open the context.

        Args:
            format: How it is to sound.
            pool: Speaks.
            send: Sends one message; it adds the context's id.
            before_audio: Awaited before each sentence, for delays on purpose.
            clauses: Cut long sentences at clause marks.
        """
        self._format = format
        self._pool = pool
        self._send = send
        self._before_audio = before_audio
        self._clauses = clauses
        self._buffer = ""
        self._flush_timer: asyncio.TimerHandle | None = None
        self._jobs: asyncio.Queue[SpeechJob | None] = asyncio.Queue()
        self._playing: SpeechJob | None = None
        self._asked_secs = 0.0
        self._sent_secs = 0.0
        self._started_at = time.monotonic()
        self._ended = False

    def add(self, text: str, *, end: bool) -> None:
        """Take more text; ``end``: nothing follows."""
        self._buffer += text
        if end or not self._format.buffer_ms:
            self._flush()
        else:
            self._speak_ready()
            if self._buffer.strip() and not self._flush_timer:
                loop = asyncio.get_running_loop()
                self._flush_timer = loop.call_later(self._format.buffer_ms / 1000, self._flush)
        if end and not self._ended:
            self._ended = True
            self._jobs.put_nowait(None)

    async def run(self) -> None:
        """Send audio until the text has ended."""
        try:
            while (job := await self._jobs.get()) is not None:
                self._playing = job
                await self._play(job)
            await self._send({"type": "done", "done": True, "status_code": 200})
        except SynthesisError as error:
            await self._send(failure(500, "synthesis failed", str(error), "internal_error"))
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Drop what is queued."""
        if self._flush_timer:
            self._flush_timer.cancel()
            self._flush_timer = None
        while not self._jobs.empty():
            if job := self._jobs.get_nowait():
                job.cancelled = True
        if self._playing:
            self._playing.cancelled = True

    def _speak_ready(self) -> None:
        while True:
            ready, self._buffer = take_ready(self._buffer, clauses=self._clauses)
            if not ready:
                return
            self._speak(ready)

    def _flush(self) -> None:
        if self._flush_timer:
            self._flush_timer.cancel()
            self._flush_timer = None
        text, self._buffer = self._buffer, ""
        self._speak(text)

    def _speak(self, text: str) -> None:
        for sentence in split_sentences(_TAGS.sub(" ", text)):
            parts = split_clauses(sentence) if self._clauses else [sentence]
            for part in parts:
                if re.search(r"\w", part):
                    self._submit(part, last=part is parts[-1])

    def _submit(self, text: str, *, last: bool) -> None:
        job = self._pool.submit(
            text,
            self._format.rate_hz,
            ahead_secs=self._asked_secs,
            speed=self._format.speed,
            last=last,
        )
        self._asked_secs += _SECS_A_WORD * len(text.split())
        self._jobs.put_nowait(job)

    async def _play(self, job: SpeechJob) -> None:
        begin_secs = self._sent_secs
        first = True
        while (piece := await job.queue.get()) is not None:
            if isinstance(piece, SynthesisError):
                raise piece
            if first:
                await self._before_audio()
            first = False
            await self._send_piece(piece, begin_secs)

    async def _send_piece(self, piece: Piece, begin_secs: float) -> None:
        """``begin_secs``: where the text of this piece starts in the context's audio."""
        audio = self._format.encode(piece.pcm)
        for at in range(0, len(audio), self._format.chunk_bytes):
            chunk = audio[at : at + self._format.chunk_bytes]
            await self._send(
                {
                    "type": "chunk",
                    "data": base64.b64encode(chunk).decode(),
                    "done": False,
                    "status_code": 206,
                    "step_time": round((time.monotonic() - self._started_at) * 1000, 1),
                }
            )
            if at == 0 and self._format.timestamps and piece.words:
                await self._send(_timestamps(piece, begin_secs))
        self._sent_secs += piece.secs


def failure(status: int, title: str, message: str, code: str) -> dict[str, Any]:
    """An error; it ends its context."""
    return {
        "type": "error",
        "done": True,
        "status_code": status,
        "title": title,
        "message": message,
        "error_code": code,
    }


def _timestamps(piece: Piece, begin_secs: float) -> dict[str, Any]:
    return {
        "type": "timestamps",
        "done": False,
        "status_code": 206,
        "word_timestamps": {
            "words": piece.words,
            "start": [round(begin_secs + secs, 3) for secs in piece.starts],
            "end": [round(begin_secs + secs, 3) for secs in piece.ends],
        },
    }
