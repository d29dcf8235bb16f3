"""What a phone hears of the room: one track straight through, several mixed, silence otherwise."""

from collections import deque
from collections.abc import Callable

import numpy as np

from local.exchange.opus import FRAME, FrameDecoder
from local.exchange.rtp import RtpPacket
from local.sip.concealment import Concealer

FRAME_SECS = 0.02
_AUDIBLE_SECS = 0.3
_MAX_CONCEALED = 3
# What waits to be mixed: at most, and what may stay there for a second before a frame is dropped.
_MAX_QUEUED, _MAX_STANDING = 5, 1
_STANDING_TICKS = 50
# How many frames the line may be behind its clock before silence fills it, or ahead of it before a
# frame is dropped: the bot's clock and this one are not the same.
_MAX_BEHIND, _MAX_AHEAD = 3, 4


class _Voice:
    """One track on its way to the phone."""

    def __init__(self):
        self.decoder, self.concealer = FrameDecoder(), Concealer()
        self.sequence: int | None = None
        self.heard_at = 0.0
        self.queue: deque[np.ndarray] = deque(maxlen=_MAX_QUEUED)
        self._taken, self._standing = 0, _MAX_QUEUED

    def frames(self, packet: RtpPacket) -> list[np.ndarray]:
        """Decode a packet; lost ones before it are concealed, late ones dropped."""
        missing = 0
        if self.sequence is not None:
            step = (packet.sequence - self.sequence) & 0xFFFF
            if step == 0 or step > 0x8000:
                return []
            missing = step - 1
        self.sequence = packet.sequence
        frames: list[np.ndarray] = []
        if 0 < missing <= _MAX_CONCEALED:
            frames = [self.concealer.fill() for _ in range(missing)]
        for frame in self.decoder.decode(packet.payload):
            self.concealer.heard(frame)
            frames.append(frame)
        return frames

    def take(self) -> np.ndarray | None:
        """Return the next frame to mix; a queue that never empties is shortened."""
        if not self.queue:
            return None
        self._standing = min(self._standing, len(self.queue) - 1)
        self._taken += 1
        if self._taken % _STANDING_TICKS == 0:
            if self._standing > _MAX_STANDING:
                self.queue.popleft()
            self._standing = _MAX_QUEUED
        return self.queue.popleft()


class RoomAudio:
    """Turns Opus packets of the room into 20 ms frames for the phone.

    With one audible track a decoded packet leaves at once. While there are two or more, a tick
    mixes them. Whatever comes, 50 frames a second leave: ``tick`` fills what is missing with
    silence. Times are arguments; the caller ticks every 20 ms.
    """

    def __init__(self, send: Callable[[np.ndarray], None], now: float):
        """Begin at the answer.

        Args:
            send: Takes a frame, int16[160] at 8 kHz.
            now: Monotonic time.
        """
        self._send = send
        self._voices: dict[str, _Voice] = {}
        self._started_at = now
        self._sent = 0
        self.concealed = self.dropped = 0

    def on_packet(self, track_sid: str, packet: RtpPacket, now: float) -> None:
        """Take a packet of a track."""
        voice = self._voices.get(track_sid)
        if voice is None:
            voice = self._voices[track_sid] = _Voice()
        voice.heard_at = now
        frames = voice.frames(packet)
        if self._audible(now) > 1:
            voice.queue.extend(frames)
            return
        if voice.queue:
            frames = [*voice.queue, *frames]
            voice.queue.clear()
        for frame in frames:
            if self._sent - self._due(now) > _MAX_AHEAD:
                self.dropped += 1
            else:
                self._pass(frame)

    def remove(self, track_sid: str) -> None:
        """Forget a track."""
        self._voices.pop(track_sid, None)

    def tick(self, now: float) -> None:
        """Mix what waits, or fill a gap with silence."""
        if self._audible(now) > 1:
            frames = [voice.take() for voice in self._voices.values()]
            waiting = [frame for frame in frames if frame is not None]
            if waiting:
                mixed = np.sum(waiting, axis=0, dtype=np.int32)
                self._pass(np.clip(mixed, -32768, 32767).astype(np.int16))
                return
        while self._due(now) - self._sent > _MAX_BEHIND:
            self._pass(np.zeros(FRAME, np.int16))

    def _pass(self, frame: np.ndarray) -> None:
        self._sent += 1
        self._send(frame)

    def _due(self, now: float) -> int:
        return int((now - self._started_at) / FRAME_SECS)

    def _audible(self, now: float) -> int:
        if len(self._voices) < 2:
            return len(self._voices)
        return sum(now - voice.heard_at < _AUDIBLE_SECS for voice in self._voices.values())
