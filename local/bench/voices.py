"""Callers' voices for measurements: Piper's, moved in pitch, so that every machine has the same."""

from collections.abc import Mapping, Sequence

import numpy as np

from local.callers.scenario import VoiceSpec
from local.callers.voice import Voice
from local.models import models_folder, piper_voice

SHIFTS = (0.85, 1.15, 1.3)


async def spoken(
    lines: Sequence[str], environ: Mapping[str, str], *, shift: float = SHIFTS[1]
) -> list[np.ndarray]:
    """Each line as 16-bit mono PCM at 8 kHz.

    Args:
        lines: What is said.
        environ: The environment: where the models are.
        shift: How far pitch and formants are moved; 1.0 is the bot's own voice.
    """
    models = models_folder(environ)
    voice = Voice(
        VoiceSpec(engine="piper", shift=shift),
        piper_model=piper_voice(models),
        cache_dir=models.parent / "caller-lines",
    )
    rendered = await voice.render(lines)
    return [rendered[line] for line in lines]
