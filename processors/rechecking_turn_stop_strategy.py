"""Smart Turn, asked again while the silence lasts.

Overrides private methods of Pipecat 1.14.0 (``TurnAnalyzerUserTurnStopStrategy``); the tests notice
when they move.
"""

import asyncio

from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.frames.frames import VADUserStoppedSpeakingFrame
from pipecat.turns.user_stop.turn_analyzer_user_turn_stop_strategy import (
    TurnAnalyzerUserTurnStopStrategy,
)


class RecheckingTurnStopStrategy(TurnAnalyzerUserTurnStopStrategy):
    """Ends the caller's turn as soon as the model is sure, not only when it was sure at once.

    Pipecat asks the model at the VAD's stop and never again: "not finished" then costs the whole
    give-up time, for almost one turn in five. A little later the model is much surer. A caller who
    goes on speaking cancels the questions.
    """

    def __init__(self, *, recheck_secs: tuple[float, ...] = (0.5, 0.8, 1.2), **kwargs):
        """Initialize the strategy.

        Args:
            recheck_secs: When to ask again, counted from the end of speech; beyond the VAD's
                ``stop_secs``.
            **kwargs: Arguments of ``TurnAnalyzerUserTurnStopStrategy``.
        """
        super().__init__(**kwargs)
        self._recheck_secs = recheck_secs
        self._recheck_task: asyncio.Task | None = None

    async def cleanup(self):
        """Stop asking with the pipeline."""
        await self._stop_rechecking()
        await super().cleanup()

    async def _handle_vad_user_stopped_speaking(self, frame: VADUserStoppedSpeakingFrame):
        await super()._handle_vad_user_stopped_speaking(frame)
        if not self._turn_complete and not self._vad_user_speaking:
            await self._stop_rechecking()
            self._recheck_task = self.create_task(self._recheck(frame.stop_secs))

    async def _discard_pending_end_of_turn(self):
        await super()._discard_pending_end_of_turn()
        await self._stop_rechecking()

    async def _recheck(self, waited_secs: float) -> None:
        for at in self._recheck_secs:
            await asyncio.sleep(max(0.0, at - waited_secs))
            waited_secs = max(at, waited_secs)
            if self._decided:
                return
            state, prediction = await self._turn_analyzer.analyze_end_of_turn()
            await self._handle_prediction_result(prediction)
            if self._decided:
                return
            if state == EndOfTurnState.COMPLETE:
                self._turn_complete = True
                self._recheck_task = None  # what follows must not cancel itself
                await self._maybe_trigger_user_turn_stopped()
                return

    @property
    def _decided(self) -> bool:
        return self._vad_user_speaking or self._turn_complete

    async def _stop_rechecking(self) -> None:
        task, self._recheck_task = self._recheck_task, None
        if task and task is not asyncio.current_task():
            await self.cancel_task(task)
