"""Finds speech on one side of a recording, to the sample."""

from dataclasses import dataclass

import numpy as np

FRAME_SECS = 0.02
GATE_DBFS = -42.0
AUDIBLE_DBFS = -40.0
GAP_SECS = 0.4
_ONSET_FRAMES, _ONSET_OF = 3, 5
_FULL_SCALE = 32768.0

# Where steady noise can lie; louder is speech, softer matters to no threshold.
_NOISE_RANGE_DBFS = (-75, -40)
_NOISE_FRAMES = 25
_NOISE_SHARE = 0.3
_GATE_ABOVE_NOISE_DB = 8.0
_AUDIBLE_ABOVE_NOISE_DB = 14.0


@dataclass(frozen=True)
class SpeechSpans:
    """Speech on one side.

    Parameters:
        spans: First and last audible sample of each utterance; shape (n, 2).
        noise_dbfs: RMS of the steady noise under it; None where it is too soft to matter.
    """

    spans: np.ndarray
    noise_dbfs: float | None


def find_speech(samples: np.ndarray, rate_hz: int) -> SpeechSpans:
    """Find the utterances on one side.

    Speech begins where 3 of 5 frames of 20 ms are over −42 dBFS (RMS), walked back to the first
    sample over −40 dBFS of the sound that this is part of. It ends with the last sample over
    −40 dBFS before 0.4 s without one. Over steady noise, as line hiss or comfort noise, both
    thresholds rise above it: by 8 dB and by 14 dB, which one Gaussian sample in a million passes.

    Args:
        samples: int16, one side.
        rate_hz: Samples a second.

    Source: measured on telephone lines; a gate without the walk back is 8 ms late at soft onsets.
    """
    size = round(FRAME_SECS * rate_hz)
    frames = _frames(samples, size)
    levels = _levels(frames)
    noise = _steady_noise(levels)
    gate, audible = GATE_DBFS, AUDIBLE_DBFS
    if noise is not None:
        gate = max(gate, noise + _GATE_ABOVE_NOISE_DB)
        audible = max(audible, noise + _AUDIBLE_ABOVE_NOISE_DB)
    limit = np.int16(_FULL_SCALE * 10 ** (audible / 20))
    loud = (frames > limit) | (frames < -limit)
    return SpeechSpans(_spans(loud, levels > gate, GAP_SECS * rate_hz), noise)


def _frames(samples: np.ndarray, size: int) -> np.ndarray:
    """Cut into whole frames, the last one filled up with silence."""
    count = max(_ONSET_OF, -(-len(samples) // size))
    if len(samples) != count * size:
        samples = np.concatenate([samples, np.zeros(count * size - len(samples), samples.dtype)])
    return samples.reshape(count, size)


def _levels(frames: np.ndarray) -> np.ndarray:
    """RMS of each frame in dBFS; −200 for digital silence."""
    power = np.empty(len(frames))
    # By blocks, so that a long call needs no second copy of itself as floats.
    for at in range(0, len(frames), 1024):
        block = frames[at : at + 1024].astype(np.float32)
        power[at : at + 1024] = np.einsum("ij,ij->i", block, block) / frames.shape[1]
    return 10 * np.log10(np.maximum(power / _FULL_SCALE**2, 1e-20))


def _steady_noise(levels: np.ndarray) -> float | None:
    """Level of the loudest noise that stays within 3 dB for much of the soft frames.

    The soft ends of words spread over all levels and never come together like that.
    """
    low, high = _NOISE_RANGE_DBFS
    soft = levels[(levels >= low) & (levels < high)]
    if len(soft) < _NOISE_FRAMES:
        return None
    counts, _ = np.histogram(soft, bins=high - low, range=(low, high))
    steady = np.flatnonzero(np.convolve(counts, np.ones(3), "same") >= _NOISE_SHARE * len(soft))
    if not len(steady):
        return None
    top = low + steady[-1]
    return round(float(np.median(soft[(soft >= top - 2) & (soft < top + 2)])), 1)


def _spans(loud: np.ndarray, over_gate: np.ndarray, gap: float) -> np.ndarray:
    """Utterances from the loud samples of each frame and the frames over the gate."""
    size = loud.shape[1]
    sounding = np.flatnonzero(loud.any(axis=1))
    if not len(sounding):
        return np.empty((0, 2), dtype=np.int64)
    first = sounding * size + loud[sounding].argmax(axis=1)
    last = sounding * size + size - 1 - loud[sounding][:, ::-1].argmax(axis=1)
    # ``utterance`` counts sounds that are apart by ``gap``, ``run`` those by a frame without sound.
    utterance = np.concatenate([[0], np.cumsum(first[1:] - last[:-1] >= gap)])
    run = np.concatenate([[0], np.cumsum(np.diff(sounding) > 1)])
    onsets = np.flatnonzero(_speech(over_gate)[sounding])
    which, at = np.unique(utterance[onsets], return_index=True)
    starts = first[np.searchsorted(run, run[onsets[at]])]
    # A frame between two runs is not sounding, so a run never reaches into the utterance before.
    ends = last[np.searchsorted(utterance, which, side="right") - 1]
    return np.stack([starts, ends], axis=1)


def _speech(over_gate: np.ndarray) -> np.ndarray:
    """Frames over the gate that have two more of their kind within five."""
    window = np.ones(_ONSET_OF)
    dense = np.convolve(over_gate, window, "valid") >= _ONSET_FRAMES
    return over_gate & (np.convolve(dense, window) > 0)
