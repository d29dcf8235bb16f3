"""One phone of the simulated world: it dials, speaks, listens and records, by real SIP."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from local.callers.hearing import Hearing
from local.callers.listener import RATE_HZ, Utterance, level_dbfs
from local.callers.room_noise import RoomNoise
from local.callers.sounds import Music
from local.callers.tape import CallTape
from local.sip.call import SipCall
from local.sip.endpoint import SipEndpoint
from local.sip.pacer import PacedSender, Playback

_FRAME = 160


class CallOverError(Exception):
    """The call ended while something was still to be done on it.

    Parameters:
        code: Always ``call_over``.
        retryable: Never.
    """

    code, retryable = "call_over", False


class QuietLineError(Exception):
    """The far end did not speak, or would not stop, within the limit.

    Parameters:
        code: ``silent`` or ``not_quiet``.
        retryable: Never.
    """

    retryable = False

    def __init__(self, code: str, message: str):
        """Initialize the error."""
        super().__init__(message)
        self.code = code


class Phone:
    """One call, seen from the phone.

    Parameters:
        call: Its signalling.
        heard: Utterances of the far end that are over, in order.
        music: Stretches of music or tone heard, in order.
        dialled_at: The INVITE, seconds on the monotonic clock.
        answered_at: The 200; None before.
        on_utterance: Told each utterance of the far end once it is over.
    """

    def __init__(self, call: SipCall, *, silence_secs: float = 0.5, hears_music: bool = False):
        """Initialize around a call that was just placed, or came in.

        Args:
            call: The call.
            silence_secs: Silence that ends an utterance of the far end.
            hears_music: Music and tones are told apart and are no utterances.
        """
        self.call = call
        self.heard: list[Utterance] = []
        self.dialled_at = time.monotonic()
        self.answered_at: float | None = None
        self.on_utterance: Callable[[Utterance], None] | None = None
        self._ended_at: float | None = None
        self._hearing = Hearing(silence_secs=silence_secs, music=hears_music)
        self._tape = CallTape()
        self._noise = RoomNoise()
        self._sender = PacedSender(call.media, self._noise.frame)
        self._playing: tuple[np.ndarray, Playback] | None = None
        self._changed = asyncio.Event()
        self._level_in = -96.0
        call.media.on_audio = self._hear
        self._watch = asyncio.create_task(self._watch_end())

    @classmethod
    def dial(
        cls, endpoint: SipEndpoint, uri: str, *, caller: str, hears_music: bool = False, **options
    ) -> "Phone":
        """Send the INVITE and return at once.

        Args:
            endpoint: The phone's signalling socket.
            uri: Whom to call, ``sip:+15550100@127.0.0.1:5060``.
            caller: The number that calls.
            hears_music: Music and tones are told apart and are no utterances.
            **options: Passed on to ``SipEndpoint.invite``.
        """
        return cls(endpoint.invite(uri, from_user=caller, **options), hears_music=hears_music)

    @property
    def music(self) -> list[Music]:
        """See the class."""
        return self._hearing.music

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._ended_at is not None

    @property
    def bot_speaking_since(self) -> float | None:
        """When the far end's running utterance began; None while it is silent."""
        return self._hearing.speaking_since

    @property
    def bot_last_voiced_at(self) -> float | None:
        """The far end's last audible sample; None if there was none."""
        return self._hearing.last_voiced_at

    @property
    def levels_dbfs(self) -> tuple[float, float]:
        """Level sent and level heard at this moment."""
        return self._level_out(), self._level_in

    async def answered(self, within_secs: float) -> None:
        """Wait for the far end to answer, then send the noise of a room until something is said.

        Raises:
            SipCallError: If the call is refused or fails.
            TimeoutError: If it rings on; the caller may hang up then.
        """
        async with asyncio.timeout(within_secs):
            await self.call.wait_answered()
        self.answered_at = self.call.answered_at
        self._sender.start()

    async def say(self, pcm: np.ndarray) -> Playback:
        """Speak; returns when the last sample has left.

        Raises:
            CallOverError: If the call ends first.
        """
        playback = self.start_saying(pcm)
        await playback
        if playback.interrupted:
            self._check()
        return playback

    def start_saying(self, pcm: np.ndarray) -> Playback:
        """Speak, and return at once.

        Raises:
            CallOverError: If the call is over.
        """
        self._check()
        pcm = self._noise.under(np.asarray(pcm, np.int16))
        playback = self._sender.play(pcm)
        self._tape.sends(pcm, playback)
        self._playing = (pcm, playback)
        return playback

    async def hold(self, on: bool) -> None:
        """Put the far end on hold, or take it back: a re-INVITE, and dead silence."""
        self._check()
        self._noise.muted = on
        await self.call.hold(on)

    async def press(self, digits: str) -> None:
        """Press keys."""
        self._check()
        await self.call.media.send_digits(digits)

    async def bot_speaks(self, *, since: float, for_secs: float, within_secs: float) -> float:
        """Wait until the far end speaks and has done so for a while.

        Args:
            since: Only speech that goes on behind this time counts (monotonic).
            for_secs: How long it must have been speaking.
            within_secs: Limit.

        Returns:
            When it began.

        Raises:
            QuietLineError: If it does not speak in time.
            CallOverError: If the call ends first.
        """
        deadline = time.monotonic() + within_secs
        while True:
            self._check()
            now, began = time.monotonic(), self.bot_speaking_since
            if began is not None and (self.bot_last_voiced_at or 0) > since:
                if now - max(began, since) >= for_secs:
                    return began
                left = for_secs - (now - max(began, since))
            else:
                left = deadline - now
            if now >= deadline:
                raise QuietLineError("silent", f"the bot did not speak within {within_secs:.1f} s")
            await self.change(min(left, deadline - now))

    async def bot_is_quiet(self, *, since: float, quiet_secs: float, within_secs: float) -> None:
        """Wait until the far end has spoken behind ``since`` and then fallen silent.

        Args:
            since: Monotonic time.
            quiet_secs: Silence asked for.
            within_secs: How long it may take to begin; once it speaks it may take 60 s.

        Raises:
            QuietLineError: If it does not speak in time, or does not stop.
            CallOverError: If the call ends first.
        """
        began = time.monotonic()
        while True:
            self._check()
            now, voiced = time.monotonic(), self.bot_last_voiced_at
            if voiced is None or voiced <= since:
                left = began + within_secs - now
                if left <= 0:
                    text = f"the bot did not speak within {within_secs:.1f} s"
                    raise QuietLineError("silent", text)
            else:
                left = voiced + quiet_secs - now
                if left <= 0:
                    return
                if now > began + within_secs + 60:
                    raise QuietLineError("not_quiet", "the bot spoke for more than 60 s")
            await self.change(left)

    async def change(self, timeout_secs: float) -> None:
        """Wait for news of the line, at most so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0.0, timeout_secs)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def hang_up(self) -> None:
        """BYE, or CANCEL while it rings; safe to call twice."""
        await self.call.hangup()
        await self._watch

    async def wait_ended(self, within_secs: float) -> None:
        """Wait for the far end to hang up.

        Raises:
            TimeoutError: If it does not.
        """
        async with asyncio.timeout(within_secs):
            await asyncio.shield(self._watch)

    def save_tape(self, path: Path) -> None:
        """Write the stereo recording, from the answer to the end."""
        self._tape.save(path, *self._span())

    def channels(self) -> tuple[np.ndarray, np.ndarray]:
        """Sent and heard, int16 at 8 kHz, from the answer to the end."""
        return self._tape.channels(*self._span())

    def _span(self) -> tuple[float, float]:
        ended_at = self._ended_at or time.monotonic()
        return (self.answered_at or ended_at), ended_at

    def _check(self) -> None:
        if self.ended:
            end = self.call.end
            raise CallOverError(f"the call was ended by {end.by if end else 'nobody'}")

    def _hear(self, frame: np.ndarray, at: float) -> None:
        self._tape.hears(frame, at)
        self._level_in = level_dbfs(frame)
        was_busy = self._hearing.busy
        if utterance := self._hearing.hear(frame, at):
            self._keep(utterance)
        if was_busy or self._hearing.busy:
            self._changed.set()

    def _keep(self, utterance: Utterance) -> None:
        self.heard.append(utterance)
        if self.on_utterance:
            self.on_utterance(utterance)

    def _level_out(self) -> float:
        if self._playing is None or self._playing[1].first_audible_at is None:
            return -96.0
        pcm, playback = self._playing
        at = int((time.monotonic() - (playback.first_audible_at or 0.0)) * RATE_HZ)
        return level_dbfs(pcm[max(0, at) : at + _FRAME])

    async def _watch_end(self) -> None:
        await self.call.wait_ended()
        self._ended_at = time.monotonic()
        self._sender.stop()
        if utterance := self._hearing.cut():
            self._keep(utterance)
        self._changed.set()
