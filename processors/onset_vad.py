"""Silero VAD that also says, early, that speech may have begun."""

from collections.abc import Callable

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState


class OnsetVAD(SileroVADAnalyzer):
    """Calls ``on_onset()`` after ``onset_windows`` voiced windows of 32 ms, before ``start_secs``.

    The onset is a guess that may be taken back; what the stock VAD reports is unchanged but for its
    volume gate, which is off. Audio: 16-bit mono PCM at 8 or 16 kHz.
    """

    def __init__(self, *, onset_windows: int = 2, **kwargs):
        """Initialize the analyzer.

        Args:
            onset_windows: Consecutive voiced windows that make an onset.
            **kwargs: Arguments of ``SileroVADAnalyzer``.
        """
        super().__init__(**kwargs)
        self.on_onset: Callable[[], None] | None = None
        self._onset_windows = onset_windows
        self._in_onset = False

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Analyzes on the event loop: a window costs 0.1 ms, a hop to a thread more."""
        state = self._run_analyzer(buffer)
        if state is not VADState.STARTING:
            self._in_onset = False
        elif not self._in_onset and self._vad_starting_count >= self._onset_windows:
            self._in_onset = True
            if self.on_onset:
                self.on_onset()
        return state

    def _get_smoothed_volume(self, audio: bytes) -> float:
        # The stock gate smooths loudness over 400 ms: it delays every onset by 60 to 200 ms and
        # never hears a quiet caller.
        return 1.0
