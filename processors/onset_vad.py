"""Silero VAD that also says, early, that speech may have begun or ended."""

from collections.abc import Callable

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState

from processors.silent_windows import SILENCE, is_silent

LEARNED = 63  # windows of 32 ms until the model is reset


class OnsetVAD(SileroVADAnalyzer):
    """Calls ``on_onset()`` after ``onset_windows`` voiced windows of 32 ms, before ``start_secs``.

    In the same way ``on_offset()`` after ``offset_windows`` silent ones, before ``stop_secs``. Both
    are guesses that may be taken back; what the stock VAD reports is unchanged but for its volume
    gate, which is off, and silence below -60 dBFS, which counts as none at all: what the model
    makes of that is looked up. Audio: 16-bit mono PCM at 8 or 16 kHz.
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
        # Windows of silence since the model's last reset; None once there was a sound.
        self._silent_windows: int | None = 0

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

    def voice_confidence(self, buffer: bytes) -> float:
        """How sure the model is of speech; silence since its last reset costs nothing."""
        past = self._silent_windows
        if past is not None and is_silent(buffer):
            confidence = SILENCE.step(self._model, past, self.sample_rate)
            self._silent_windows = past + 1
            self._maybe_reset_model(confidence)
        else:
            if past:
                SILENCE.restore(self._model, past, self.sample_rate)
            self._silent_windows = None
            confidence = super().voice_confidence(buffer)
        if self._windows_since_reset == 0:
            self._silent_windows = 0
        return confidence

    def learn_silence(self) -> None:
        """Work out what silence does to the model, which takes 20 ms, and forget what was heard."""
        self._model.reset_states()
        for past in range(LEARNED):
            SILENCE.step(self._model, past, self.sample_rate)
        self._model.reset_states()
        self._silent_windows = self._windows_since_reset = 0

    def _get_smoothed_volume(self, audio: bytes) -> float:
        # The stock gate smooths loudness over 400 ms: it delays every onset by 60 to 200 ms and
        # never hears a quiet caller.
        return 1.0
