"""The two bundled ONNX models, with sessions tuned for many small forked processes."""

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import onnxruntime as ort
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.vad.vad_analyzer import VADParams

from processors.early_smart_turn import EarlySmartTurn
from processors.onset_vad import OnsetVAD

RATE_HZ = 16000
# With a shorter start a single voiced window would already be a turn; with a longer one a short
# first word is missed in half the cases.
START_SECS = 0.1
GIVE_UP_SECS = 2.0


@dataclass(frozen=True)
class TurnModels:
    """Who speaks, and whether they are done. Loaded before a fork, used after it by one call.

    Parameters:
        vad: Silero; carries the state of one audio stream.
        turn: Smart Turn v3; carries the audio of one turn.
    """

    vad: OnsetVAD
    turn: EarlySmartTurn

    def warm_up(self) -> None:
        """Runs both models once, without a thread, so that a fork inherits them ready."""
        self.vad.set_sample_rate(RATE_HZ)
        self.vad.learn_silence()
        self.turn._predict_endpoint(np.zeros(RATE_HZ, np.float32))


def load_turn_models(vad_params: VADParams | None = None) -> TurnModels:
    """Loads both models in about 70 ms. Starts no thread.

    Args:
        vad_params: Speech from 0.1 s on, silence after 0.2 s, no volume gate, unless given.
    """
    params = vad_params or VADParams(start_secs=START_SECS, stop_secs=0.2, min_volume=0.0)
    turn = EarlySmartTurn(params=SmartTurnParams(stop_secs=GIVE_UP_SECS))
    path = files("pipecat.audio.turn.smart_turn.data") / "smart-turn-v3.2-cpu.onnx"
    turn._session = ort.InferenceSession(
        str(path), _small_session(), providers=["CPUExecutionProvider"]
    )
    return TurnModels(OnsetVAD(params=params), turn)


def _small_session() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # The arena would keep its peak of about 33 MB for the rest of the call.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return options
