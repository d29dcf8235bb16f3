"""What a phone makes of the sound that arrives: utterances, and stretches of music between them."""

from collections import deque

import numpy as np

from local.callers.listener import Listener, Utterance
from local.callers.sounds import SURE_SECS, Music, MusicDetector
from local.sip.pacer import FRAME_SECS

# How late the end of music is noticed when somebody speaks into it.
_LATE_FRAMES = 25


class Hearing:
    """A listener that is deaf while music plays.

    Parameters:
        music: Stretches of music or tone, in order; the last may still go on.
    """

    def __init__(self, *, silence_secs: float = 0.5, music: bool = False):
        """Initialize in silence.

        Args:
            silence_secs: Silence that separates two utterances.
            music: Whether music and tones are told apart; else they are utterances too.
        """
        self.music: list[Music] = []
        self._listener = Listener(silence_secs=silence_secs)
        self._detector = MusicDetector() if music else None
        self._last: deque[tuple[np.ndarray, float]] = deque(maxlen=_LATE_FRAMES)

    @property
    def speaking_since(self) -> float | None:
        """When the running utterance began; None in silence and while music plays."""
        return self._listener.speaking_since

    @property
    def last_voiced_at(self) -> float | None:
        """The last audible sample of speech so far; None if there was none."""
        return self._listener.last_voiced_at

    @property
    def playing(self) -> bool:
        """Whether music plays now."""
        return self._detector is not None and self._detector.playing

    @property
    def busy(self) -> bool:
        """Whether there is speech or music now."""
        return self.playing or self._listener.speaking_since is not None

    def hear(self, pcm: np.ndarray, at: float) -> Utterance | None:
        """Take the next 20 ms; see ``Listener.hear``."""
        was_playing = self.playing
        if self._detector is None:
            return self._listener.hear(pcm, at)
        if not self._detector.hear(pcm):
            if was_playing:
                self._take_back()
            return self._listener.hear(pcm, at)
        self._last.append((pcm, at))
        if was_playing:
            if self._detector.sounding:
                self.music[-1].ended_at = at + FRAME_SECS
            return None
        started_at = at - SURE_SECS
        self.music.append(Music(started_at, at + FRAME_SECS))
        # The first notes were taken for speech; what was said before them stands.
        return self._listener.cut(ends_before=started_at)

    def cut(self) -> Utterance | None:
        """End the running utterance here; see ``Listener.cut``."""
        return self._listener.cut()

    def _take_back(self) -> None:
        """The last half second was taken for music, but words had begun in it."""
        if self._last:
            self.music[-1].ended_at = min(self.music[-1].ended_at, self._last[0][1])
        while self._last:
            self._listener.hear(*self._last.popleft())
