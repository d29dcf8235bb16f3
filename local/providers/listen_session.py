"""One stream of ``/v1/listen``: audio in, transcripts out, the final one at once."""

import asyncio
import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from local.providers import deepgram_messages as messages
from local.providers.listen_options import ListenOptions
from local.providers.mulaw import decode_mulaw
from local.providers.recognizer_pool import RecognizerPool, Urgency
from local.providers.utterance import PREROLL_MS, SpeechFinder, Utterance

# Silence after which the utterance is transcribed ahead: a VAD stop comes at 200 ms.
AHEAD_MS = 100
# At most one interim for this much new audio.
INTERIM_MS = 500
# An utterance is cut here: the models are trained on short audio and loop on nonsense.
LONGEST_MS = 15000


class ListenSession:
    """Answers a Finalize from what was transcribed during the pause, so without a wait.

    It never ends an utterance by itself before ``endpointing_ms``: a final that comes before the
    client's Finalize leaves nothing for the answer, and the turn ends late.
    """

    def __init__(
        self,
        options: ListenOptions,
        pool: RecognizerPool,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        before_final: Callable[[], Awaitable[None]],
    ):
        """Start a stream.

        Args:
            options: What the client asked for.
            pool: Transcribes.
            send: Sends one message to the client.
            before_final: Awaited before each final, for delays on purpose.
        """
        self.request_id = str(uuid.uuid4())
        self._options = options
        self._pool = pool
        self._send = send
        self._before_final = before_final
        self._speech = SpeechFinder(options.rate_hz)
        self._position = 0
        self._utterance = Utterance(0)
        self._digest = hashlib.sha256()
        self._final_lock = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()

    async def on_audio(self, data: bytes) -> None:
        """Take in audio as the client sends it."""
        self._digest.update(data)
        pcm = self._mono(data)
        self._position += len(pcm)
        self._utterance.audio += pcm
        for end in self._speech.feed(pcm):
            await self._on_speech(end)
        if self._utterance.first_speech is None:
            self._utterance.forget_lead_in(self._options.rate_hz * PREROLL_MS // 1000 * 2)
        else:
            await self._transcribe_ahead(self._utterance)

    async def finalize(self, *, asked: bool) -> None:
        """Send the final transcript; ``asked``: in answer to a Finalize, else by silence."""
        async with self._final_lock:
            done = self._utterance
            if not asked and done.last_speech is None:
                return
            span = self._span(done)
            text = self._text_of(done)
            self._utterance = Utterance(self._position)  # what comes from now on is new speech
            words = await text if isinstance(text, asyncio.Future) else text
            await self._before_final()
            await self._send_results(
                words, span, is_final=True, from_finalize=asked, speech_final=not asked
            )

    async def finish(self) -> None:
        """CloseStream: what is left, then the summary."""
        await self.finalize(asked=False)
        await self._send(
            messages.metadata(
                request_id=self.request_id,
                sha256=self._digest.hexdigest(),
                duration_secs=self._secs(self._position),
                channels=self._options.channels,
                model=self._options.model,
            )
        )

    async def close(self) -> None:
        """Drop what nobody waits for any more."""
        if self._utterance.pending:
            self._utterance.pending[1].cancel()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _on_speech(self, end: int) -> None:
        utterance = self._utterance
        if utterance.first_speech is None:
            utterance.first_speech = max(utterance.start, end - self._speech.frame_bytes)
            if self._options.vad_events:
                await self._send(messages.speech_started(self._secs(utterance.first_speech)))
        utterance.last_speech = end

    async def _transcribe_ahead(self, utterance: Utterance) -> None:
        """Interims while speech goes on; the likely final text once it pauses."""
        last_speech = utterance.last_speech or utterance.start
        silence_ms = self._secs(self._position - last_speech) * 1000
        if silence_ms >= AHEAD_MS:
            if utterance.expected_reach < last_speech:
                self._submit(utterance, Urgency.AHEAD)
        elif self._interim_due(utterance):
            self._submit(utterance, Urgency.INTERIM)
        if self._options.utterance_end_ms and silence_ms >= self._options.utterance_end_ms:
            await self._end_utterance(utterance)
        long = self._secs(len(utterance.audio)) * 1000 >= LONGEST_MS
        if silence_ms >= self._options.endpointing_ms or long:
            await self.finalize(asked=False)

    def _interim_due(self, utterance: Utterance) -> bool:
        if not self._options.interims or utterance.pending or self._pool.backlog:
            return False
        return self._secs(self._position - utterance.asked_at) * 1000 >= INTERIM_MS

    def _submit(self, utterance: Utterance, urgency: Urgency) -> asyncio.Future[str]:
        if utterance.pending:
            utterance.pending[1].cancel()
        reach = self._position
        future = self._pool.submit(bytes(utterance.audio), self._options.rate_hz, urgency)
        utterance.pending = (reach, future)
        utterance.asked_at = reach
        future.add_done_callback(lambda done: self._on_text(utterance, reach, done))
        return future

    def _on_text(self, utterance: Utterance, reach: int, done: asyncio.Future[str]) -> None:
        if utterance.pending and utterance.pending[1] is done:
            utterance.pending = None
        if done.cancelled() or done.exception():
            return
        utterance.reach, utterance.text = reach, done.result()
        # An interim behind the final would make Pipecat forget that the transcript is final.
        current = utterance is self._utterance and not self._final_lock.locked()
        if self._options.interims and current and utterance.text not in ("", utterance.interim):
            utterance.interim = utterance.text
            send = self._send_results(utterance.text, self._span(utterance), is_final=False)
            task = asyncio.get_running_loop().create_task(send)
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _text_of(self, utterance: Utterance) -> str | asyncio.Future[str]:
        if utterance.last_speech is None:
            return ""
        if utterance.reach >= utterance.last_speech:
            return utterance.text
        if utterance.pending and utterance.pending[0] >= utterance.last_speech:
            return utterance.pending[1]
        return self._submit(utterance, Urgency.FINAL)

    async def _end_utterance(self, utterance: Utterance) -> None:
        if not utterance.end_sent and utterance.last_speech is not None:
            utterance.end_sent = True
            await self._send(messages.utterance_end(self._secs(utterance.last_speech)))

    async def _send_results(self, text: str, span: messages.Span, **flags: bool) -> None:
        await self._send(
            messages.results(
                text,
                span,
                request_id=self.request_id,
                model=self._options.model,
                arch=self._pool.name,
                is_final=flags.pop("is_final"),
                **flags,
            )
        )

    def _span(self, utterance: Utterance) -> messages.Span:
        first, last = utterance.first_speech, utterance.last_speech
        return messages.Span(
            start=self._secs(utterance.start),
            end=self._secs(self._position),
            first=self._secs(utterance.start if first is None else first),
            last=self._secs(self._position if last is None else last),
        )

    def _secs(self, count: int) -> float:
        return count / 2 / self._options.rate_hz

    def _mono(self, data: bytes) -> bytes:
        if self._options.encoding == "mulaw":
            data = decode_mulaw(data).tobytes()
        if self._options.channels == 2:
            pairs = np.frombuffer(data, np.int16).reshape(-1, 2)
            data = pairs.mean(axis=1).astype(np.int16).tobytes()
        return data
