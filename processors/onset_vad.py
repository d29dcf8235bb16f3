"""Silero VAD that also says, early, that speech may have begun or ended."""

from collections.abc import Callable

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState


class OnsetVAD(SileroVADAnalyzer):
    """Calls ``on_onset()`` after ``onset_windows`` voiced windows of 32 ms, before ``start_secs``.

    In the same way ``on_offset()`` after ``offset_windows`` silent ones, before ``stop_secs``. Both
    are guesses that may be taken back; what the stock VAD reports is unchanged but for its volume
    gate, which is off. Audio: 16-bit mono PCM at 8 or 16 kHz.
    """

    def __init__(self, *, onset_windows: int = 2, offset_windows: int = 3, **kwargs):
        """Initialize the analyzer.

        Args:
            onset_windows: Consecutive voiced windows that make an onset.
            offset_windows: Consecutive silent windows that make an offset.
            **kwargs: Arguments of ``SileroVADAnalyzer``.
        """
        super().__init__(**kwargs)
        self.on_onset: Callable[[], None] | None = None
        self.on_offset: Callable[[], None] | None = None
        self._onset_windows, self._offset_windows = onset_windows, offset_windows
        self._in_onset = self._in_offset = False

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Analyzes on the event loop: a window costs 0.1 ms, a hop to a thread more."""
        state = self._run_analyzer(buffer)
        if state is not VADState.STARTING:
            self._in_onset = False
        elif not self._in_onset and self._vad_starting_count >= self._onset_windows:
            self._in_onset = True
            if self.on_onset:
                self.on_onset()
        if state is not VADState.STOPPING:
            self._in_offset = False
        elif not self._in_offset and self._vad_stopping_count >= self._offset_windows:
            self._in_offset = True
            if self.on_offset:
                self.on_offset()
        return state

    def _get_smoothed_volume(self, audio: bytes) -> float:
        # The stock gate smooths loudness over 400 ms: it delays every onset by 60 to 200 ms and
        # never hears a quiet caller.
        return 1.0
